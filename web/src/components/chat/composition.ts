/**
 * Whether the key belongs to an input method that is composing a word. Safari ends the composition before the keydown
 * of Enter, so `isComposing` is false there, but the key code is 229.
 */
export const isComposing = (event: React.KeyboardEvent): boolean =>
  event.nativeEvent.isComposing || event.nativeEvent.keyCode === 229;
