import { describe, expect, it } from 'vitest'
import { pgStatement } from '../../src/dialects/pg-statement.ts'

const refused = [
  ['BEGIN', 'BEGIN'],
  ['begin isolation level serializable', 'BEGIN'],
  ['Start Transaction', 'START'],
  ['commit', 'COMMIT'],
  ['end', 'END'],
  ['rollback to savepoint a', 'ROLLBACK'],
  ['abort', 'ABORT'],
  ['savepoint a', 'SAVEPOINT'],
  ['release savepoint a', 'RELEASE'],
  ['lock table t', 'LOCK'],
  ['set search_path to a', 'SET'],
  ['set local x.y = 1', 'SET'],
  ['reset all', 'RESET'],
  ['discard all', 'DISCARD'],
  ["load 'auto_explain'", 'LOAD'],
  ['listen a', 'LISTEN'],
  ['unlisten *', 'UNLISTEN'],
  ['prepare a as select 1', 'PREPARE'],
  ['execute a', 'EXECUTE'],
  ['deallocate a', 'DEALLOCATE'],
  ['declare c cursor with hold for select 1', 'DECLARE'],
  ['fetch 1 from c', 'FETCH'],
  ['move 1 from c', 'MOVE'],
  ['close c', 'CLOSE'],
  ['copy t from stdin', 'COPY'],
  ['create temp table t (a int)', 'CREATE TEMP'],
  ['create temporary table t (a int)', 'CREATE TEMP'],
  ['create local temp table t (a int)', 'CREATE TEMP'],
  ['create global temporary table t (a int)', 'CREATE TEMP'],
  ['create or replace temp view v as select 1', 'CREATE TEMP'],
  ['create /* for now */ or replace -- soon\n temporary view v as select 1', 'CREATE TEMP'],
  // What may stand before the first word.
  [' \t\r\n\f\v begin', 'BEGIN'],
  ['-- a remark\nbegin', 'BEGIN'],
  ['-- a remark\rbegin', 'BEGIN'],
  ['--begin\n--\n  begin', 'BEGIN'],
  ['/* a remark */begin', 'BEGIN'],
  ['/* one /* in */ another */ begin', 'BEGIN'],
  ['/**//*/**/*/begin', 'BEGIN'],
  ['/* -- */ begin', 'BEGIN'],
  ['-- /*\nbegin', 'BEGIN'],
  ['begin/* work */', 'BEGIN'],
  ['begin;', 'BEGIN'],
  [';begin', 'BEGIN'],
  [' ; /* x */ ;begin', 'BEGIN'],
  ['((copy t to stdout', 'COPY'],
] as const

const accepted = [
  '',
  ' ',
  ';',
  '-- only a remark',
  '/* without an end begin',
  'select 1',
  '(select 1)',
  '((select 1) union select 2)',
  'with a as (select 1) select * from a',
  'values (1)',
  'table t',
  "insert into t values ('begin')",
  'update t set a = 1',
  'delete from t',
  'merge into t using s on true when matched then delete',
  'create table t (temp int)',
  'create table temp (a int)',
  'create unlogged table t (a int)',
  'create or replace view v as select 1',
  'create index on t (a)',
  'drop table t',
  'vacuum',
  'analyze t',
  'explain select 1',
  'show search_path',
  'notify a',
  'call p()',
  'do $$ begin end $$',
  'begin_work()',
  'set_config',
  'settle',
  'beginé',
  '"begin"',
  '/* begin */ select 1',
  '-- begin',
  '-- begin\nselect 1',
  '/* /* */ begin */ select 1',
  '1',
  '$1',
]

describe('a statement for query()', () => {
  it.each(refused)('is refused at once when it is %j', (text, what) => {
    expect(() => pgStatement(text, [])).toThrow(
      `query() runs one statement as a transaction of its own, on a connection that others use in between: ${what} is not for that. Use connect().`,
    )
  })

  it.each(accepted)('may be %j, and goes by the extended protocol', text => {
    expect(pgStatement(text, [1])).toEqual([{ text, values: [1], queryMode: 'extended' }])
  })

  it('may begin with as much as one likes that is nothing', () => {
    const long = `${' -- x\n/* y */'.repeat(20_000)}select 1`
    expect(pgStatement(long, [])[0].text).toBe(long)
    expect(() => pgStatement('/*'.repeat(100_000), [])).not.toThrow()
    expect(() => pgStatement(`${'('.repeat(100_000)}begin`, [])).toThrow('BEGIN')
  })
})
