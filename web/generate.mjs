/**
 * Generates the wire types from src/schema/{protocol,openapi}.json into web/src/lib/generated, or into the folder
 * named. `npm run generate -w web`. `Operations` has the parameters and the answer of each request, by `operationId`.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "src/lib/generated"));
const read = (name) => JSON.parse(readFileSync(join(here, "../src/schema", `${name}.json`), "utf8"));
const protocol = read("protocol");
const openapi = read("openapi");

const biome = createRequire(import.meta.url).resolve("@biomejs/biome/bin/biome");
const object = (properties, required = Object.keys(properties)) => ({ type: "object", properties, required });

/** The type of one request: `path`, `query`, `body` and `answer`, where they exist. */
function operation({ parameters = [], requestBody, responses }) {
  const all = parameters.map(({ $ref, ...own }) => ($ref ? openapi.components.parameters[last($ref)] : own));
  const parts = {};
  for (const place of ["path", "query"]) {
    const these = all.filter((parameter) => parameter.in === place);
    if (these.length === 0) continue;
    // A schema that allows everything is of text, as a query is.
    const text = (schema) => (Object.keys(schema).length === 0 ? { type: "string" } : schema);
    const properties = these.map(({ name, schema, description }) => [name, { ...text(schema), description }]);
    parts[place] = object(
      Object.fromEntries(properties),
      these.filter(({ required }) => required).map(({ name }) => name),
    );
  }
  const json = (content) => content?.["application/json"]?.schema;
  const body = json(requestBody?.content);
  if (body) parts.body = body;
  const answer = json(responses["200"]?.content);
  if (answer) parts.answer = answer;
  return object(parts);
}

/**
 * Rewrites references for the compiler: the document's own to `$defs`, those of the other file to the imported name.
 */
function local(value, imported) {
  if (Array.isArray(value)) return value.map((item) => local(item, imported));
  if (typeof value !== "object" || value === null) return value;
  if (value.$ref?.includes(".json#")) {
    imported.add(last(value.$ref));
    return { tsType: last(value.$ref), ...(value.description && { description: value.description }) };
  }
  if (value.$ref) return { ...value, $ref: `#/$defs/${last(value.$ref)}` };
  // Which of the fields an object must have at least: a type of TypeScript says it only clumsily.
  if (value.properties && value.anyOf) {
    const { anyOf: _, ...fields } = value;
    return local(fields, imported);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, local(item, imported)]));
}

/** Removes the comments that the compiler adds; they only repeat the names. */
const tidied = (text) =>
  text
    .replaceAll(/^ \*(?: This interface was referenced by .*| *via the `definition` .*|)\n/gm, "")
    .replaceAll(/^\/\*\*\n \*\/\n/gm, "");

const last = (ref) => ref.slice(ref.lastIndexOf("/") + 1);

async function write(name, schema, imports = "") {
  const compiled = await compile(schema, "Root", {
    additionalProperties: false,
    bannerComment: `/** Generated from src/schema/${name}.json by \`npm run generate -w web\`. */\n${imports}`,
    format: false,
    ignoreMinAndMaxItems: true,
    unreachableDefinitions: true,
    $refOptions: { resolve: { external: false } },
  });
  const args = [biome, "format", `--stdin-file-path=src/lib/generated/${name}.ts`];
  const formatted = execFileSync(process.execPath, args, { cwd: here, input: tidied(compiled) });
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, `${name}.ts`), formatted);
}

const [client, server, inboxClient, inboxServer] = protocol.anyOf;
const fromOpenapi = new Set();
const frames = local(protocol.$defs, fromOpenapi);
await write(
  "protocol",
  { title: "Frames", ...object({ client, server, inboxClient, inboxServer }), $defs: frames },
  `import type { ${[...fromOpenapi].sort().join(", ")} } from "./openapi";\n`,
);

const operations = Object.values(openapi.paths).flatMap((path) => Object.values(path));
const imported = new Set();
const schemas = local(openapi.components.schemas, imported);
const named = operations.map((one) => [one.operationId, local(operation(one), imported)]);
await write(
  "openapi",
  { title: "Operations", ...object(Object.fromEntries(named)), $defs: schemas },
  `import type { ${[...imported].sort().join(", ")} } from "./protocol";\n`,
);
