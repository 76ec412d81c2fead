import { Dialog } from "@/components/ui/dialog";
import { t } from "@/i18n/i18n";
import SearchPanel from "./SearchPanel";

/** Search in all rooms, for when no room is open. */
export default function SearchDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t.common.search} onClose={onClose}>
      <div className="flex max-h-[60dvh] min-h-60 flex-col">
        <SearchPanel roomId={null} onOpen={onClose} />
      </div>
    </Dialog>
  );
}
