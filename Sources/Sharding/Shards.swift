/// Row ranges that depend on the row count only, never on the number of threads.
package struct Shards: RandomAccessCollection, Sendable {
  package let rows: Int
  package let rowsPerShard: Int

  package init(rows: Int, rowsPerShard: Int) {
    precondition(rows >= 0 && rowsPerShard >= 1)
    self.rows = rows
    self.rowsPerShard = rowsPerShard
  }

  package var startIndex: Int { 0 }
  package var endIndex: Int { (rows + rowsPerShard - 1) / rowsPerShard }

  package subscript(shard: Int) -> Range<Int> {
    let start = shard * rowsPerShard
    return start..<Swift.min(start + rowsPerShard, rows)
  }
}
