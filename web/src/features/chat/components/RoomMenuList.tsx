/** The menu of a room: what is needed less often than search and details. */
import * as lucide from "lucide";
import { icon, PinIcon } from "@/components/ui/icons";
import { Menu } from "@/components/ui/popover";
import { t } from "@/i18n/i18n";
import { useMessageActions } from "../message-actions";

const CalendarIcon = icon(lucide.Calendar);
const SIZE = "size-4.5";

export default function RoomMenuList({
  anchor,
  onClose,
}: {
  anchor: HTMLElement | null;
  onClose: () => void;
}) {
  const { openPins, pickDate, pins } = useMessageActions();
  return (
    <Menu
      anchor={anchor}
      label={t.room.more}
      items={[
        {
          label: pins.size > 0 ? t.pins.count(pins.size) : t.pins.title,
          icon: <PinIcon className={SIZE} />,
          onSelect: openPins,
        },
        {
          label: t.goToDate.item,
          icon: <CalendarIcon className={SIZE} />,
          onSelect: () => pickDate?.(new Date().toISOString()),
        },
      ]}
      onClose={onClose}
    />
  );
}
