/**
 * The icons of the page, from Lucide. They are decoration: the button has the label. `lucide` has the same drawings as
 * `lucide-react` and is 2.4 KB smaller (gzip), because React elements are made here. What
 * only a lazily loaded part shows is made there, with `icon`, so that the first screen does not load it.
 */
import * as lucide from "lucide";

interface IconProps {
  className?: string;
}

/** A component that draws one icon. Its default size and stroke width are in theme.css. */
export function icon(node: lucide.IconNode) {
  // biome-ignore lint/correctness/noComponentHookFactories: called at module level only, once per icon
  return function Icon({ className = "" }: IconProps) {
    return (
      <svg
        aria-hidden="true"
        viewBox="0 0 24 24"
        fill="none"
        stroke="currentColor"
        strokeLinecap="round"
        strokeLinejoin="round"
        className={`icon ${className}`}
      >
        {node.map(([Tag, attributes], at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the shapes of an icon never change
          <Tag key={at} {...attributes} />
        ))}
      </svg>
    );
  };
}

export const ArchiveIcon = /* @__PURE__ */ icon(lucide.Archive);
export const ArrowUpIcon = /* @__PURE__ */ icon(lucide.ArrowUp);
export const AtSignIcon = /* @__PURE__ */ icon(lucide.AtSign);
export const BellOffIcon = /* @__PURE__ */ icon(lucide.BellOff);
export const BookmarkIcon = /* @__PURE__ */ icon(lucide.Bookmark);
export const CheckIcon = /* @__PURE__ */ icon(lucide.Check);
export const ChevronDownIcon = /* @__PURE__ */ icon(lucide.ChevronDown);
export const ChevronLeftIcon = /* @__PURE__ */ icon(lucide.ChevronLeft);
export const CircleQuestionMarkIcon = /* @__PURE__ */ icon(lucide.CircleQuestionMark);
export const ClockIcon = /* @__PURE__ */ icon(lucide.Clock);
export const DownloadIcon = /* @__PURE__ */ icon(lucide.Download);
export const EllipsisIcon = /* @__PURE__ */ icon(lucide.Ellipsis);
export const FileIcon = /* @__PURE__ */ icon(lucide.File);
export const InfoIcon = /* @__PURE__ */ icon(lucide.Info);
export const LogOutIcon = /* @__PURE__ */ icon(lucide.LogOut);
export const MessageSquareTextIcon = /* @__PURE__ */ icon(lucide.MessageSquareText);
export const PaperclipIcon = /* @__PURE__ */ icon(lucide.Paperclip);
export const PencilIcon = /* @__PURE__ */ icon(lucide.Pencil);
export const PinIcon = /* @__PURE__ */ icon(lucide.Pin);
export const PlusIcon = /* @__PURE__ */ icon(lucide.Plus);
export const RefreshCwIcon = /* @__PURE__ */ icon(lucide.RefreshCw);
export const ReplyIcon = /* @__PURE__ */ icon(lucide.Reply);
export const SearchIcon = /* @__PURE__ */ icon(lucide.Search);
export const SendHorizontalIcon = /* @__PURE__ */ icon(lucide.SendHorizontal);
export const SmileIcon = /* @__PURE__ */ icon(lucide.Smile);
export const TriangleAlertIcon = /* @__PURE__ */ icon(lucide.TriangleAlert);
export const XIcon = /* @__PURE__ */ icon(lucide.X);
export const SettingsIcon = /* @__PURE__ */ icon(lucide.Settings);
export const TypeIcon = /* @__PURE__ */ icon(lucide.Type);
