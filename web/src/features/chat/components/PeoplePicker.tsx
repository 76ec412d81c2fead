/** Chooses people by name from the directory. Somebody who is not in it can be chosen by their id, and it says so. */
import { useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { Combobox } from "@/components/ui/combobox";
import { XIcon } from "@/components/ui/icons";
import { PersonName, useName } from "@/components/ui/person";
import { t } from "@/i18n/i18n";
import type { Person } from "@/lib/people";
import { useDirectory } from "../use-people";

interface PeoplePickerProps {
  label: string;
  hint?: string;
  chosen: string[];
  onChange: (userIds: string[]) => void;
  /** Who cannot be chosen: myself, those who are members already. */
  exclude: string[];
  isSingle?: boolean;
  autoFocus?: boolean;
}

type Option = { person: Person } | { id: string };
const idOf = (option: Option) => ("id" in option ? option.id : option.person.userId);

export function PeoplePicker(props: PeoplePickerProps) {
  const { label, hint, chosen, onChange, exclude, isSingle = false, autoFocus = false } = props;
  const [text, setText] = useState("");
  const [isUsed, setUsed] = useState(false);
  // Nobody is asked for before somebody wants to choose.
  const { people, isLoading } = useDirectory(isUsed ? text : null);
  const id = text.trim();
  const isFree = ({ userId }: Person) => !chosen.includes(userId) && !exclude.includes(userId);
  const found: Option[] = people
    .filter((person) => isFree(person) && !person.deactivated)
    .map((person) => ({ person }));
  const isKnown = people.some(({ userId }) => userId === id) || chosen.includes(id) || exclude.includes(id);
  const options = id === "" || isKnown || isLoading ? found : [...found, { id }];
  return (
    <div className="space-y-2">
      {chosen.length > 0 && (
        <ul aria-label={t.picker.chosen} className="flex flex-wrap gap-1.5">
          {chosen.map((userId) => (
            <Chip
              key={userId}
              userId={userId}
              onRemove={() => onChange(chosen.filter((one) => one !== userId))}
            />
          ))}
        </ul>
      )}
      {!(isSingle && chosen.length > 0) && (
        <Combobox
          label={label}
          hint={hint}
          value={text}
          maxLength={100}
          placeholder={t.picker.placeholder}
          {...(autoFocus && { "data-autofocus": true })}
          onText={setText}
          onFocus={() => setUsed(true)}
          options={options}
          keyOf={idOf}
          onChoose={(option) => {
            onChange([...chosen, idOf(option)]);
            setText("");
          }}
          onKeyDown={(event) => {
            if (event.key === "Backspace" && text === "") onChange(chosen.slice(0, -1));
          }}
          empty={
            <p className="px-2 text-muted-foreground text-xs">
              {isLoading ? t.common.loading : t.picker.nobody}
            </p>
          }
        >
          {(option) => <PickerOption option={option} />}
        </Combobox>
      )}
    </div>
  );
}

function PickerOption({ option }: { option: Option }) {
  const id = idOf(option);
  const title = "id" in option ? null : option.person.title;
  return (
    <>
      <Avatar id={id} size="sm" />
      <span className="min-w-0 flex-1">
        {"id" in option ? (
          <bdi className="block truncate">{t.picker.byId(id)}</bdi>
        ) : (
          <PersonName id={id} className="block truncate" />
        )}
        {title && <bdi className="block truncate text-muted-foreground text-xs">{title}</bdi>}
      </span>
    </>
  );
}

function Chip({ userId, onRemove }: { userId: string; onRemove: () => void }) {
  const name = useName(userId);
  return (
    <li className="flex max-w-full items-center gap-1.5 rounded-full bg-muted py-1 ps-1 pe-1 text-sm">
      <Avatar id={userId} size="sm" />
      <bdi className="truncate">{name}</bdi>
      <button
        type="button"
        aria-label={t.picker.remove(name)}
        title={t.picker.remove(name)}
        onClick={onRemove}
        className="rounded-full p-1 hover:bg-border"
      >
        <XIcon className="size-3.5" />
      </button>
    </li>
  );
}
