/** Whether this device is notified of messages while the page is closed or out of sight. */
import { useState } from "react";
import { FormError } from "@/components/ui/field";
import { t } from "@/i18n/i18n";
import { errorText } from "../explain";
import { usePush } from "../use-push";

export function PushSetting() {
  const { state, turnOn, turnOff } = usePush();
  const [error, setError] = useState<string | null>(null);
  if (state === "unknown" || state === "absent") return null;
  const change = (isOn: boolean) => {
    setError(null);
    (isOn ? turnOn() : turnOff()).catch((failure: unknown) => setError(errorText(failure)));
  };
  return (
    <fieldset>
      <legend className="mb-2 font-medium text-muted-foreground text-xs">{t.settings.push.label}</legend>
      <label className="flex items-center gap-2 text-sm">
        <input
          type="checkbox"
          checked={state === "on"}
          disabled={state === "changing" || state === "denied"}
          onChange={(event) => change(event.target.checked)}
          className="accent-primary"
        />
        {t.settings.push.thisDevice}
      </label>
      {state === "denied" && <p className="mt-1 text-muted-foreground text-xs">{t.settings.push.denied}</p>}
      <FormError>{error}</FormError>
    </fieldset>
  );
}
