// Tabs that are links: each has an address of its own, and the browser's back button works.

interface TabsProps {
  tabs: { id: string; name: string; count?: number | undefined }[];
  now: string;
  to: (id: string) => string;
  label: string;
}

export function Tabs({ tabs, now, to, label }: TabsProps) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <a key={tab.id} href={to(tab.id)} aria-current={tab.id === now ? 'page' : undefined}>
          {tab.name}
          {tab.count !== undefined && <span class="tab-count">{tab.count}</span>}
        </a>
      ))}
    </nav>
  );
}
