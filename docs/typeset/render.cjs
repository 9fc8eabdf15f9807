// Formulas to HTML: a JSON list of [TeX, whether displayed] on stdin, a list of HTML on stdout; a formula that is no TeX
// ends the run. Usage: node render.cjs FOLDER, where FOLDER/node_modules holds KaTeX.
const katex = require(require.resolve("katex", { paths: [process.argv[2]] }));
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(
  JSON.stringify(formulas.map(([tex, display]) => katex.renderToString(tex, { displayMode: display, strict: "error" }))),
);
