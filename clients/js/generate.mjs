// Writes src/schemas.ts from the JSON Schemas: one type for each shape, whichever file it stands in; and from the AsyncAPI
// document the data of each event of oda. Writes the dashboard's src/rest.ts from the OpenAPI document: its shapes, and what
// each route takes and answers. It knows the part of JSON Schema that they use, and refuses anything else.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

const folder = new URL('../../schemas/json/', import.meta.url);
const KNOWN = new Set(
  ('$ref additionalProperties allOf anyOf const default description enum examples format items maxItems maxLength maximum ' +
    'minItems minLength minimum oneOf pattern prefixItems properties required type').split(' '),
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

writeFileSync(
  new URL('src/schemas.ts', import.meta.url),
  `// Made from the JSON Schemas by generate.mjs. To change a shape, change its Rust type.\n\n${declared(shapes)}\n${odaEvents()}`,
);

const { paths, components } = JSON.parse(readFileSync(new URL('openapi.json', folder), 'utf8'));
const routes = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, { summary, parameters = [], requestBody, responses }]) => {
    if (!path.startsWith('/api/v1/')) return [];
    const { content } = Object.entries(responses).find(([status]) => status.startsWith('2'))[1];
    const taken = parameters.filter((parameter) => parameter.in === 'query').map(({ name, required, schema }) => `${name}${required ? '' : '?'}: ${type(schema, '')}`);
    const fields = [`query: { ${taken.join('; ')} }`, `answer: ${type(content['application/json'].schema, '    ')}`];
    if (requestBody) fields.push(`body: ${type(requestBody.content['application/json'].schema, '    ')}`);
    return [`  /** ${summary} */\n  '${method.toUpperCase()} ${path}': {\n${fields.map((field) => `    ${field};\n`).join('')}  };\n`];
  }),
);
writeFileSync(
  new URL('../../dashboard/src/rest.ts', import.meta.url),
  '// Made from openapi.json by clients/js/generate.mjs. To change a route or a shape, change it in Rust.\n\n' +
    `/** What each route takes and answers, by its method and path. */\nexport interface Routes {\n${routes.join('')}}\n\n` +
    declared(new Map(Object.entries(components.schemas))),
);

/** The declaration of each shape, by name. */
function declared(all) {
  const declarations = [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, shape]) => {
    const fields = shape.properties && !shape.oneOf;
    return `${comment(shape, '')}export ${fields ? `interface ${name}` : `type ${name} =`}${type(shape, '').replace(/^(?!\n)/, ' ')}${fields ? '' : ';'}\n`;
  });
  return declarations.join('\n');
}

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
  const { oneOf, anyOf, ...rest } = schema;
  const choices = oneOf ?? anyOf;
  if (schema.$ref) return schema.$ref.replace(/^#\/(\$defs|components\/schemas)\//, '');
  if (schema.allOf) return schema.allOf.map((part) => (part.properties ? type(part, indent) : parenthesised(type(part, indent)))).join(' & ');
  if ('const' in schema) return literal(schema.const);
  if (schema.enum) return schema.enum.map(literal).join(' | ');
  // What stands beside the choices holds for each of them.
  if (choices && rest.properties) return `${object(rest, indent)} & (${type({ oneOf: choices }, indent)}\n${indent})`;
  if (choices) return union(choices.map((choice) => [comment(choice, `${indent}  `), type(choice, `${indent}  `)]), indent);
  if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one }, indent)).join(' | ');
  if (schema.prefixItems) return `[${schema.prefixItems.map((item) => type(item, indent)).join(', ')}]`;
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
  // A union within the union that stands in lines of its own.
  const closed = (text) => (text.startsWith('\n') ? `(${text}\n${indent}  )` : text);
  return choices.map(([said, text]) => (explained ? `\n${said}${indent}  | ${closed(text)}` : closed(text))).join(explained ? '' : ' | ');
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
