import { createPool } from '../../src/index.ts'
import { pg } from '../../src/pg.ts'

/*
 * A process whose pool has idle connections and is never disposed: it must end by itself. It prints which of its resources keep
 * it alive while a connection is out, and while all are idle.
 */
const pool = createPool({ dialect: pg(process.env.DATABASE_URL), poolSize: 2 })
const sockets = (): number => process.getActiveResourcesInfo().filter(name => /TCP.*Wrap|PipeWrap/.test(name)).length
const pipes = sockets()

const fairies = [await pool.connect(), await pool.connect()]
for (const fairy of fairies) await fairy.query('select 1')
const out = sockets() - pipes
for (const fairy of fairies) await fairy.close()
const idle = sockets() - pipes
const again = await pool.connect()
const one = sockets() - pipes
await again.close()
process.stdout.write(JSON.stringify({ out, idle, one, status: `${pool.status()}` }))
