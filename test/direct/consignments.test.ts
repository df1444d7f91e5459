import { closeSync, openSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Descriptors, descriptors, identityOf } from '../../src/base/descriptors.ts'
import { Consignments } from '../../src/coordinator/consignments.ts'
import type { Offer } from '../../src/dialects/dialect.ts'
import { eventually } from '../support/eventually.ts'

const native = descriptors() as Descriptors

/** A descriptor for another thread, of a file of this process. */
function offerOf(file: number): Offer {
  const descriptor = native.dup(file)
  return { descriptor, identity: identityOf(descriptor)!, facts: undefined }
}

function openFile(path = import.meta.filename): number {
  const file = openSync(path, 'r')
  onTestFinished(() => closeSync(file))
  return file
}

/** Another thread's, over in the same moment: what is reclaimed after it shows that what was before has been gone through. */
async function reclaimed(consignments: Consignments, file: number): Promise<void> {
  const last = new Consignments()
  const { descriptor } = last.send(1, () => offerOf(file))!
  consignments.reclaim()
  last.reclaim()
  await eventually(() => identityOf(descriptor)).toBeUndefined()
}

describe('descriptors on their way to a thread', () => {
  it('that dies before it has them are closed', async () => {
    const [consignments, file] = [new Consignments(), openFile()]
    const { descriptor, identity } = consignments.send(1, () => offerOf(file))!
    expect(identityOf(descriptor)).toBe(identity)
    await reclaimed(consignments, file)
    expect(identityOf(descriptor)).toBeUndefined()
    expect(identityOf(file)).toBe(identity)
  })

  it('that has said that it has them are its own', async () => {
    const [consignments, file] = [new Consignments(), openFile()]
    const { descriptor, identity } = consignments.send(1, () => offerOf(file))!
    consignments.arrived(descriptor)
    await reclaimed(consignments, file)
    expect(identityOf(descriptor)).toBe(identity)
    closeSync(descriptor)
  })

  it('that had them, and closed them with its death, are let be: the number is a file of somebody else', async () => {
    const [consignments, file] = [new Consignments(), openFile()]
    const { descriptor } = consignments.send(1, () => offerOf(file))!
    closeSync(descriptor)
    const others = openFile('/dev/null')
    expect(others).toBe(descriptor)
    await reclaimed(consignments, file)
    expect(identityOf(descriptor)).toBeDefined()
  })

  it('that had them, and closed them with its death, are let be: the number is on its way to another thread', async () => {
    const [consignments, file] = [new Consignments(), openFile()]
    const { descriptor } = consignments.send(1, () => offerOf(file))!
    closeSync(descriptor)
    const other = new Consignments()
    const again = other.send(1, () => offerOf(file))!
    expect(again.descriptor).toBe(descriptor)
    await reclaimed(consignments, file)
    expect(identityOf(descriptor)).toBe(again.identity)
    other.arrived(descriptor)
    closeSync(descriptor)
  })

  it('are still on their way when a thread says that it has another: that number was not made for it', async () => {
    const [consignments, file] = [new Consignments(), openFile()]
    const { descriptor } = consignments.send(1, () => offerOf(file))!
    for (const number of [descriptor + 1, file, 0]) consignments.arrived(number)
    await reclaimed(consignments, file)
    expect(identityOf(descriptor)).toBeUndefined()
  })

  it('are still on their way when another thread says that it has them, by a number that was its own before', async () => {
    const [one, other, file] = [new Consignments(), new Consignments(), openFile()]
    const { descriptor } = one.send(1, () => offerOf(file))!
    closeSync(descriptor)
    expect(other.send(1, () => offerOf(file))!.descriptor).toBe(descriptor)
    one.arrived(descriptor)
    await reclaimed(other, file)
    expect(identityOf(descriptor)).toBeUndefined()
  })

  it('are one for each lease at a time, whatever a thread asks for', () => {
    const [consignments, file] = [new Consignments(), openFile()]
    const offer = offerOf(file)
    consignments.send(1, () => offer)
    expect(() => consignments.send(1, () => offerOf(file))).toThrow('under way already')
    consignments.arrived(offer.descriptor)
    closeSync(offer.descriptor)
    expect(consignments.send(1, () => undefined)).toBeUndefined()
  })
})
