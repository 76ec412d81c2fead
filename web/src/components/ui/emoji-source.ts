import { createContext } from "react";

/** The URL of emojibase-data. The Worker serves a copy of it (vite.config.ts), so no other server is contacted. */
export const EmojiSource = createContext("/emoji");
