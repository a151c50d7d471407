// Writes src/schemas.ts from the JSON Schemas: one type for each shape, whichever file it stands in; and from the AsyncAPI
// document the data of each event of oda. It knows the part of JSON Schema that they use, and refuses anything else.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

const folder = new URL('../../schemas/json/', import.meta.url);
const KNOWN = new Set(
  '$ref additionalProperties allOf anyOf const default description enum format items maxItems maxLength maximum minItems minLength minimum oneOf properties required type'.split(' '),
);

const shapes = new Map();
for (const file of readdirSync(folder).sort().filter((name) => name.endsWith('.schema.json'))) {
  const { $schema, $defs = {}, ...whole } = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  const { title, ...shape } = whole;
  for (const [name, found] of [...Object.entries($defs), [title, shape]]) {
    const known = shapes.get(name);
    if (known && JSON.stringify(known) !== JSON.stringify(found)) throw new Error(`two shapes are called ${name}`);
    shapes.set(name, found);
  }
}

const declarations = [...shapes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, shape]) => {
  const fields = shape.properties && !shape.oneOf;
  return `${comment(shape, '')}export ${fields ? `interface ${name}` : `type ${name} =`}${type(shape, '').replace(/^(?!\n)/, ' ')}${fields ? '' : ';'}\n`;
});
writeFileSync(
  new URL('src/schemas.ts', import.meta.url),
  `// Made from the JSON Schemas by generate.mjs. To change a shape, change its Rust type.\n\n${[...declarations, odaEvents()].join('\n')}`,
);

/** The events of oda that come in an envelope, by name, with their data. */
function odaEvents() {
  const { channels, components } = JSON.parse(readFileSync(new URL('asyncapi.json', folder), 'utf8'));
  const names = Object.keys(channels.oda.messages).sort();
  const fields = names.flatMap((name) => {
    const message = components.messages[name];
    const data = message.payload.properties?.data;
    // A name in braces stands for any, and what a notification tells is an event itself.
    if (!data || name.startsWith('{') || name === 'notification') return [];
    return `${comment({ description: message.summary }, '  ')}  '${name}': ${type(ours(data), '  ')};\n`;
  });
  return `/** What oda tells in an envelope: the data of each event. */\nexport interface OdaEvents {\n${fields.join('')}}\n`;
}

/** Without the shape that says no more than that another program said it. */
function ours(data) {
  const own = data.anyOf?.filter(({ properties }) => Object.keys(properties ?? {}).join() !== 'source');
  if (!own) return data;
  return own.length === 1 ? own[0] : { ...data, anyOf: own };
}

/** The TypeScript type of a schema; what stands in lines of its own is indented by `indent`. */
function type(schema, indent) {
  if (schema === true) return 'unknown';
  const foreign = Object.keys(schema).find((key) => !KNOWN.has(key));
  if (foreign) throw new Error(`generate.mjs does not know ${foreign}`);
  const choices = schema.oneOf ?? schema.anyOf;
  if (schema.$ref) return schema.$ref.replace(/^#\/(\$defs|components\/schemas)\//, '');
  if (schema.allOf) return schema.allOf.map((part) => (part.properties ? type(part, indent) : parenthesised(type(part, indent)))).join(' & ');
  if ('const' in schema) return literal(schema.const);
  if (schema.enum) return schema.enum.map(literal).join(' | ');
  if (choices) return union(choices.map((choice) => [comment(choice, `${indent}  `), type(choice, `${indent}  `)]), indent);
  if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one }, indent)).join(' | ');
  if (schema.type === 'array') return `${parenthesised(type(schema.items ?? true, indent))}[]`;
  if (schema.type === 'object') return object(schema, indent);
  return { boolean: 'boolean', integer: 'number', null: 'null', number: 'number', string: 'string' }[schema.type] ?? 'unknown';
}

function object({ properties, required = [], additionalProperties }, indent) {
  if (!properties) return `Record<string, ${type(additionalProperties || true, indent)}>`;
  const fields = Object.entries(properties).map(([name, field]) => {
    const optional = required.includes(name) ? '' : '?';
    return `${comment(field, `${indent}  `)}${indent}  ${name}${optional}: ${type(field, `${indent}  `)};\n`;
  });
  return `{\n${fields.join('')}${indent}}`;
}

/** On one line where nothing needs to be explained. */
function union(choices, indent) {
  const explained = choices.some(([said]) => said);
  return choices.map(([said, text]) => (explained ? `\n${said}${indent}  | ${text}` : text)).join(explained ? '' : ' | ');
}

function comment({ description }, indent) {
  return description ? `${indent}/** ${description.replaceAll('\n', ' ').replaceAll('*/', '* /')} */\n` : '';
}

function literal(value) {
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value);
}

function parenthesised(text) {
  return text.includes(' | ') ? `(${text})` : text;
}
