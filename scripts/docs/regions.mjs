// Generated parts of Markdown files lie between `<!-- generated: NAME -->` and `<!-- end generated -->`.

const REGION = /(<!-- generated: (.+?) -->)[^]*?(<!-- end generated -->)/g;

/** `text` with every region filled anew. Throws for a region that no generator knows. */
export function fillRegions(text, generators, file) {
  return text.replaceAll(REGION, (_, open, name, close) => {
    const generate = generators[name];
    if (!generate)
      throw new Error(
        `${file}: no generator is called ${name}; there are ${Object.keys(generators).join(', ')}`,
      );
    return `${open}\n\n${generate()}\n\n${close}`;
  });
}
