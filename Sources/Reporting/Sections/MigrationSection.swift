import Segments

extension Page {
  var migrationSection: Section? {
    guard let migration = content.migration else { return nil }
    precondition(
      migration.counts.map(\.count)
        == Array(repeating: migration.current.count + 1, count: migration.previous.count + 1),
      "one row per previous segment and one column per current one, and one more of each")
    let all = migration.counts.joined().reduce(0, +)
    guard all > 0 else { return nil }
    let facts: [(Phrase, String)] = [
      (.stability, numbers.percent(migration.stability)),
      (.adjustedRandIndex, numbers.decimal(migration.adjustedRandIndex, 3)),
      (.mutualInformation, numbers.decimal(migration.normalizedMutualInformation, 3)),
    ]
    let list = facts.map { "<div><dt>\(say($0.0))</dt><dd>\($0.1)</dd></div>" as HTML }
    return Section(
      id: "migration", title: say(.migration), note: say(.migrationNote),
      body: """
        <dl class="facts">\(list)</dl>
        <div class="wide">\(sankey(migration, all: all))</div>
        \(matrix(migration))\(largestMoves(migration))
        """)
  }

  private func previousName(_ migration: Migration, _ row: Int) -> String {
    row < migration.previous.count
      ? "\(migration.previous[row].id) \(migration.previous[row].name)" : say(.newCustomers)
  }

  private func currentName(_ migration: Migration, _ column: Int) -> String {
    column < migration.current.count
      ? "\(migration.current[column].id) \(migration.current[column].name)" : say(.leftCustomers)
  }

  /// Colour of a segment id: that of this run's segment, none for the outside or a vanished one.
  private func colour(_ id: String?) -> String {
    guard let id, let label = profile.segments.firstIndex(where: { $0.id == id }) else {
      return "none"
    }
    return "\(Mark(label).colour)"
  }

  private func sankey(_ migration: Migration, all: Int) -> HTML {
    let counts = migration.counts
    let rows = counts.indices.filter { counts[$0].contains { $0 > 0 } }
    let columns = (counts.first ?? []).indices.filter { column in
      counts.contains { $0[column] > 0 }
    }
    let gap = 12.0
    let flow = 300.0 + 10 * Double(max(rows.count, columns.count))
    let height = flow + gap * Double(max(rows.count, columns.count) - 1) + 16
    let unit = flow / Double(all)
    func tops(_ sizes: [Int]) -> [Double] {
      let used = sizes.reduce(0.0) { $0 + Double($1) * unit } + gap * Double(sizes.count - 1)
      var top = 8 + (height - 16 - used) / 2
      return sizes.map { size in
        defer { top += Double(size) * unit + gap }
        return top
      }
    }
    let rowSizes = rows.map { counts[$0].reduce(0, +) }
    let columnSizes = columns.map { column in counts.reduce(0) { $0 + $1[column] } }
    let (rowTops, columnTops) = (tops(rowSizes), tops(columnSizes))
    var (leaving, arriving) = (rowTops, columnTops)
    let (left, right) = (224.0, 536.0)

    var ribbons: [HTML] = []
    for (i, row) in rows.enumerated() {
      let source = row < migration.previous.count ? migration.previous[row].id : nil
      for (j, column) in columns.enumerated() where counts[row][column] > 0 {
        let width = Double(counts[row][column]) * unit
        let (a, b) = (leaving[i] + width / 2, arriving[j] + width / 2)
        leaving[i] += width
        arriving[j] += width
        ribbons.append(
          """
          <path class="flow s\(colour(source))" d="M\(left) \(a)C\(380.0) \(a) \(380.0) \(b) \(
            right) \(b)" stroke-width="\(max(width, 0.4))"><title>\(
            previousName(migration, row)) → \(currentName(migration, column)): \(
            numbers.count(counts[row][column]))</title></path>
          """)
      }
    }
    var nodes: [HTML] = []
    for (i, row) in rows.enumerated() {
      let id = row < migration.previous.count ? migration.previous[row].id : nil
      nodes.append(
        node(
          x: left - 10, top: rowTops[i], height: Double(rowSizes[i]) * unit, colour: colour(id),
          textX: left - 16, anchor: "end", name: previousName(migration, row), size: rowSizes[i]))
    }
    for (j, column) in columns.enumerated() {
      let id = column < migration.current.count ? migration.current[column].id : nil
      nodes.append(
        node(
          x: right, top: columnTops[j], height: Double(columnSizes[j]) * unit, colour: colour(id),
          textX: right + 16, anchor: "start", name: currentName(migration, column),
          size: columnSizes[j]))
    }
    return """
      <svg class="plot sankey" viewBox="0 0 760 \(height)" role="img" aria-label="\(
        say(.migration))">\(ribbons)\(nodes)</svg>
      """
  }

  private func node(
    x: Double, top: Double, height: Double, colour: String, textX: Double, anchor: String,
    name: String, size: Int
  ) -> HTML {
    // Two lines where the node is tall enough, else one.
    let middle = top + height / 2
    let text: HTML =
      height >= 26
      ? """
      <text class="label" x="\(textX)" y="\(middle - 2)" text-anchor="\(anchor)">\(
        shortened(name, 31))</text><text class="tick" x="\(textX)" y="\(
        middle + 13)" text-anchor="\(anchor)">\(numbers.count(size))</text>
      """
      : """
      <text class="label" x="\(textX)" y="\(middle + 4)" text-anchor="\(anchor)">\(
        shortened(name, 24)) <tspan class="tick">\(numbers.count(size))</tspan></text>
      """
    return """
      <g><title>\(name)</title><rect class="c\(colour)" x="\(x)" y="\(top)" width="10" height="\(
        max(height, 1))"/>\(text)</g>
      """
  }

  private func matrix(_ migration: Migration) -> HTML {
    let columnCount = migration.counts.first?.count ?? 0
    let headings = (0..<columnCount).map { column -> HTML in
      let name = currentName(migration, column)
      return """
        <th scope="col" title="\(name)">\(
          column < migration.current.count ? migration.current[column].id : name)</th>
        """
    }
    let rows = migration.counts.enumerated().map { row, counts -> HTML in
      let total = counts.reduce(0, +)
      let id = row < migration.previous.count ? migration.previous[row].id : nil
      let cells = counts.enumerated().map { column, count -> HTML in
        let isOutside = row == migration.previous.count && column == migration.current.count
        if isOutside { return "<td></td>" }
        guard count > 0 else { return "<td class=\"heat-0\"><span class=\"none\">0</span></td>" }
        let stays = column < migration.current.count && migration.current[column].id == id
        let part = share(count, of: total)
        let level = min(6, 1 + Int(part * 6))
        return """
          <td class="heat-\(level)\(stays ? " stays" : "")">\(numbers.count(count))<small>\(
            numbers.percent(part))</small></td>
          """
      }
      return """
        <tr><th scope="row">\(previousName(migration, row))</th>\(cells)<td class="n">\(
          numbers.count(total))</td></tr>

        """
    }
    return """
      <div class="wide"><table class="matrix"><thead><tr><th>\(say(.from)) ↓ \(say(.to)) →</th>\(
        headings)<th scope="col">\(say(.total))</th></tr></thead><tbody>
      \(rows)</tbody></table></div>
      """
  }

  /// The five largest changes of segment.
  private func largestMoves(_ migration: Migration) -> HTML? {
    var moves: [(count: Int, row: Int, column: Int)] = []
    for row in migration.previous.indices {
      for column in migration.current.indices
      where migration.previous[row].id != migration.current[column].id
        && migration.counts[row][column] > 0
      {
        moves.append((migration.counts[row][column], row, column))
      }
    }
    guard !moves.isEmpty else { return nil }
    moves.sort { ($1.count, $0.row, $0.column) < ($0.count, $1.row, $1.column) }
    let list = moves.prefix(5).map { move -> HTML in
      """
      <li><b>\(numbers.count(move.count))</b> \(previousName(migration, move.row)) → \(
        currentName(migration, move.column))</li>
      """
    }
    return "<h3>\(say(.largestMoves))</h3><ul class=\"moves\">\(list)</ul>"
  }
}
