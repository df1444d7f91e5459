import { parseAst } from 'vitest/node'

/** A test, by the titles above it and its own. */
export interface TitledTest {
  readonly titles: readonly string[]
}

interface Node {
  readonly type: string
  readonly [key: string]: unknown
}

/** What is registered and does not have to pass: it proves nothing. */
const proveless = new Set(['skip', 'todo', 'fails'])

/** All tests of a source file that have to pass. Names made of templates have `…` where something is filled in. */
export function testsOf(source: string): readonly TitledTest[] {
  const tests: TitledTest[] = []
  visit(parseAst(source, { lang: 'ts' }) as unknown as Node, [], tests)
  return tests
}

function visit(node: Node, above: readonly string[], tests: TitledTest[]): void {
  const [name, ...modifiers] = node.type === 'CallExpression' ? calleeOf(node.callee as Node) : []
  const [title, ...rest] = (node.arguments ?? []) as Node[]
  const isRegistration = /^(it|test|describe)$/.test(name ?? '') && title !== undefined && isText(title)
  if (!isRegistration) return visitAll(Object.values(node), above, tests)
  if (modifiers.some(modifier => proveless.has(modifier))) return
  const titles = [...above, textOf(title)]
  if (name === 'describe') visitAll(rest, titles, tests)
  else tests.push({ titles })
}

function visitAll(values: readonly unknown[], above: readonly string[], tests: TitledTest[]): void {
  for (const value of values) {
    if (Array.isArray(value)) visitAll(value, above, tests)
    else if (isNode(value)) visit(value, above, tests)
  }
}

/** `['it', 'concurrent', 'each']` of `it.concurrent.each(rows)('title')`; empty when it is called in any other way. */
function calleeOf(callee: Node): readonly string[] {
  switch (callee.type) {
    case 'Identifier':
      return [callee.name as string]
    case 'MemberExpression':
      return [...calleeOf(callee.object as Node), String((callee.property as Node).name)]
    case 'CallExpression':
      return calleeOf(callee.callee as Node)
    case 'TaggedTemplateExpression':
      return calleeOf(callee.tag as Node)
    default:
      return []
  }
}

const isNode = (value: unknown): value is Node => typeof Object(value).type === 'string'

const isText = ({ type, value }: Node): boolean =>
  type === 'TemplateLiteral' || type === 'BinaryExpression' || (type === 'Literal' && typeof value === 'string')

function textOf(node: Node): string {
  if (node.type === 'Literal') return String(node.value)
  if (node.type === 'BinaryExpression') return textOf(node.left as Node) + textOf(node.right as Node)
  if (node.type !== 'TemplateLiteral') return '…'
  const quasis = node.quasis as readonly { readonly value: { readonly cooked: string } }[]
  return quasis.map(({ value }) => value.cooked).join('…')
}
