const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** Text for HTML and SVG, in elements and in attributes between double quotes. */
export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A coordinate with two decimals at most: small files that do not differ in the last bit. */
const attributeText = (value: string | number): string =>
  typeof value === 'number' ? String(Math.round(value * 100) / 100) : escapeMarkup(value);

/** An element; `content` is markup already. */
export function element(name: string, attributes: Attributes, content?: string | readonly string[]): string {
  const pairs = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}="${attributeText(value)}"`],
  );
  if (content === undefined) return `<${name}${pairs.join('')}/>`;
  return `<${name}${pairs.join('')}>${typeof content === 'string' ? content : content.join('')}</${name}>`;
}
