import { cn } from "@/lib/cn";

const variants = {
  primary: "bg-primary text-primary-foreground shadow-xs hover:brightness-110",
  danger: "bg-destructive text-background shadow-xs hover:brightness-110",
  outline: "border bg-card hover:bg-muted",
  ghost: "text-muted-foreground hover:bg-muted hover:text-foreground",
  link: "text-inherit underline underline-offset-2 hover:no-underline",
};
const sizes = {
  md: "h-10 px-4 text-sm",
  sm: "h-8 px-3 text-sm",
  iconSm: "size-7",
  icon: "size-9",
  iconLg: "size-10",
  /** An icon with a number beside it. */
  count: "h-9 px-2 text-sm",
  text: "h-auto text-[length:inherit]",
};

export interface ButtonProps extends React.ComponentProps<"button"> {
  variant?: keyof typeof variants;
  size?: keyof typeof sizes;
}

export function Button({
  variant = "primary",
  size = "md",
  className,
  type = "button",
  ...props
}: ButtonProps) {
  // A button without text shows its label as a tooltip.
  const title = props.title ?? (size.startsWith("icon") ? props["aria-label"] : undefined);
  const shape = "inline-flex shrink-0 items-center justify-center gap-2 rounded-lg font-medium transition";
  const off = "disabled:pointer-events-none disabled:opacity-50";
  return (
    <button
      type={type}
      className={cn(shape, off, variants[variant], sizes[size], className)}
      {...props}
      title={title}
    />
  );
}
