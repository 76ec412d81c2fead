import { useState } from "react";
import { cn } from "@/lib/cn";
import { hueIndex, initials } from "@/lib/text";
import { useProfiles } from "./person";

const hues = [
  "avatar-hue-10 avatar-hue-40 avatar-hue-70 avatar-hue-100 avatar-hue-130 avatar-hue-160",
  "avatar-hue-190 avatar-hue-220 avatar-hue-250 avatar-hue-280 avatar-hue-310 avatar-hue-340",
]
  .join(" ")
  .split(" ");
const sizes = {
  xs: "size-4 text-[0.4375rem]",
  sm: "size-7 text-[0.6875rem]",
  md: "size-9 text-xs",
  lg: "size-10 text-sm",
  xl: "size-16 text-xl",
};

interface AvatarProps {
  /** A user id; of a group: its title. */
  id: string;
  size?: keyof typeof sizes;
  /** `undefined`: presence is not shown. */
  online?: boolean | undefined;
  group?: boolean;
  className?: string;
}

/** A person's picture, or the initials of a person or room. Decoration only: the name is next to it. */
export function Avatar({ id, size = "md", online, group = false, className }: AvatarProps) {
  const [person] = useProfiles(group ? NOBODY : [id]);
  const [failed, setFailed] = useState<string | null>(null);
  const url = person?.avatarUrl ?? null;
  const shape = cn(group ? "rounded-[30%]" : "rounded-full", sizes[size]);
  return (
    <span aria-hidden="true" className={cn("relative inline-flex shrink-0", className)}>
      {url !== null && url !== failed ? (
        <img
          src={url}
          alt=""
          loading="lazy"
          referrerPolicy="no-referrer"
          onError={() => setFailed(url)}
          className={cn("object-cover", shape)}
        />
      ) : (
        <span
          className={cn(
            "inline-flex select-none items-center justify-center font-semibold tracking-wide",
            shape,
            hues[hueIndex(id)],
          )}
        >
          {initials(person?.name ?? id)}
        </span>
      )}
      {online && (
        <span className="absolute -end-0.5 -bottom-0.5 size-3 rounded-full border-2 border-card bg-online" />
      )}
    </span>
  );
}

const NOBODY: string[] = [];
