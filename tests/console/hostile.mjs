// Names and contents that run a script or load something, wherever they are not escaped.

/** Contents, by file name. Each requests BEACON/NAME if it runs. */
export const contents = (beacon) => {
  const script = (name) => `new Image().src='${beacon}/${name}'`;
  const markup = (name) =>
    `<script>${script(name)}</script><img src=x onerror="${script(name)}"><svg onload="${script(name)}"></svg>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" onload="${script("svg")}"><script>${script("svg")}</script><foreignObject width="9" height="9"><iframe xmlns="http://www.w3.org/1999/xhtml" src="${beacon}/svg"></iframe></foreignObject></svg>`;
  const gif = `GIF89a/*\u0001\u0000*/=0;${script("gif")};//${markup("gif")}`;
  return {
    "page.html": `<!doctype html><title>x</title>${markup("html")}`,
    "picture.svg": svg,
    "text.txt": `</pre></section>${markup("text")}`,
    "table.csv": `a,b\n"${markup("csv").replaceAll('"', '""')}",${markup("csv2").replaceAll(",", "")}\n`,
    "data.json": JSON.stringify({ [markup("json")]: markup("json") }),
    "notes.md": `# T\n\n${markup("markdown")}\n\n[x](javascript:${script("markdown")})\n\n![y](${beacon}/markdown)\n\n<style>@import '${beacon}/markdown'</style>\n\n|${markup("markdown")}|\n|:-:|\n`,
    "polyglot.gif": gif,
    "polyglot.pdf": `%PDF-1.4\n${markup("pdf")}`,
    "utf7.html": `+ADw-script+AD4-${script("utf7")}+ADw-/script+AD4-${markup("utf7")}`,
    "control.txt": `a\u0007\u001b[2J\u202e${markup("control")}\u0085\u2028b`,
  };
};

/** The names of the beacons of `contents`, which all work on a page without protection. */
export const contentBeacons = [
  "html", "svg", "text", "csv", "json", "markdown", "gif", "pdf", "utf7", "control",
];

/** Names for contexts and files, which request BEACON/name. */
export const names = (beacon) => [
  `<img src=x onerror="new Image().src='${beacon}/name'">`,
  `"><script>new Image().src='${beacon}/name'</script>`,
  `' autofocus onfocus=fetch('${beacon}/name') x='`,
  "javascript:alert(1)",
  "a\u202etxt.exe\u200b",
  "&lt;b&gt; %3Cb%3E {{7*7}} ${7*7}",
];
