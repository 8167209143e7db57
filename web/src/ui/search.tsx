// The one search field of a screen; `/` leads to it.

import { Icon } from './icons';

export function Search({ value, onInput, placeholder }: { value: string; onInput: (text: string) => void; placeholder: string }) {
  return (
    <div class="search" role="search">
      <Icon name="search" />
      <input
        type="search"
        value={value}
        placeholder={placeholder}
        aria-label={`Search: ${placeholder}`}
        aria-keyshortcuts="/"
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}
