/** The menu of a room: what is needed less often than search and details. */
import * as lucide from "lucide";
import { icon } from "@/components/ui/icons";
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
  const { pickDate } = useMessageActions();
  return (
    <Menu
      anchor={anchor}
      label={t.room.more}
      items={[
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
