/** My status, the settings of this browser, and the way to my reports. */
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { t } from "@/i18n/i18n";
import { changeSettings, choices, type Settings, useSettings } from "../settings";
import { OwnStatus } from "./OwnStatus";
import { PushSetting } from "./PushSetting";

interface SettingsDialogProps {
  onClose: () => void;
  onReports: () => void;
}

export default function SettingsDialog({ onClose, onReports }: SettingsDialogProps) {
  return (
    <Dialog title={t.settings.title} onClose={onClose}>
      <div className="space-y-5">
        <OwnStatus />
        <Choice name="theme" />
        <Choice name="contrast" />
        <Choice name="density" />
        <Choice name="order" />
        <Choice name="enter" />
        <PushSetting />
        <Choice name="sound" />
        <Button variant="outline" size="sm" onClick={onReports}>
          {t.reports.title}
        </Button>
      </div>
    </Dialog>
  );
}

function Choice({ name }: { name: keyof Settings }) {
  const chosen = useSettings()[name];
  const texts: Record<string, string> = t.settings[name].values;
  return (
    <fieldset>
      <legend className="mb-2 font-medium text-muted-foreground text-xs">{t.settings[name].label}</legend>
      <div className="flex flex-wrap gap-x-5 gap-y-2">
        {choices(name).map((value) => (
          <label key={value} className="flex items-center gap-2 text-sm">
            <input
              type="radio"
              name={name}
              checked={value === chosen}
              onChange={() => changeSettings({ [name]: value })}
              className="accent-primary"
            />
            {texts[value]}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
