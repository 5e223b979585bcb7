import Columnar
import Sharding

let oneThread = Workers(threads: 1)
let threeThreads = Workers(threads: 3)

func array<Value>(_ buffer: Buffer<Value>) -> [Value] {
  withExtendedLifetime(buffer) { Array(buffer.values) }
}
