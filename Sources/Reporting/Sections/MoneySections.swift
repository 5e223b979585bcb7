extension Page {
  var concentrationSection: Section? {
    guard let concentration else { return nil }
    let x = LinearScale(0...1, pixels: 46...346)
    let y = LinearScale(0...1, pixels: 18...314, isUpward: true)
    var picture: [HTML] = [0, 0.25, 0.5, 0.75, 1].map { tick in
      """
      <line class="rule" x1="\(x[tick])" x2="\(x[tick])" y1="18" y2="314"/><line class="rule" x1="46" \
      x2="346" y1="\(y[tick])" y2="\(y[tick])"/><text class="tick" x="\(x[tick])" y="330" \
      text-anchor="middle">\(numbers.percent(tick, 0))</text><text class="tick" x="40" y="\(
        y[tick] + 4)" text-anchor="end">\(numbers.percent(tick, 0))</text>
      """
    }
    let path = thinned(concentration.curve).map { point -> HTML in
      "L\(x[point.customers]) \(y[point.money])"
    }
    let cut = 1 - concentration.share(ofTop: 0.2)
    picture.append(
      """
      <path class="fill" d="M46 314\(path)Z"/><path class="axis dashed" d="M46 314L346 18"/>\
      <path class="line strong" d="M46 314\(path)"/>\
      <path class="axis" d="M\(x[0.8]) 314V\(y[cut])H346"/><circle class="point" cx="\(
        x[0.8])" cy="\(y[cut])" r="4"/>\
      <text class="tick" x="196" y="346" text-anchor="middle">\(say(.shareOfCustomersAxis))</text>\
      <text class="tick" x="46" y="8">\(say(.shareOfMoneyAxis))</text>
      """)
    let tops = [0.01, 0.05, 0.1, 0.2, 0.5].map { top -> HTML in
      """
      <tr><th scope="row">\(say(.topHold, numbers.percent(top, 0)))</th><td>\(
        numbers.percent(concentration.share(ofTop: top)))</td></tr>
      """
    }
    let zero: HTML? =
      concentration.withoutMoney > 0
      ? "<p class=\"note\">\(say(.concentrationZero, numbers.count(concentration.withoutMoney)))</p>"
      : nil
    return Section(
      id: "concentration", title: say(.concentration), note: say(.concentrationNote),
      body: """
        <div class="beside"><svg class="square" viewBox="0 0 372 352" role="img" aria-label="\(
          say(.concentration))">\(picture)</svg><div><table class="plain"><tbody><tr><th scope="row">\(
          say(.gini))</th><td><b>\(numbers.decimal(concentration.gini, 3))</b></td></tr>\(
          tops)</tbody></table>\(zero)</div></div>
        """)
  }

  /// At most about 200 points, no two nearer than a pixel and a half: the eye sees no more.
  private func thinned(
    _ curve: [(customers: Double, money: Double)]
  ) -> [(customers: Double, money: Double)] {
    var kept: [(customers: Double, money: Double)] = []
    for (index, point) in curve.enumerated() {
      if index == curve.count - 1 || kept.isEmpty
        || max(
          point.customers - kept[kept.count - 1].customers, point.money - kept[kept.count - 1].money
        )
          >= 0.005
      {
        kept.append(point)
      }
    }
    return kept
  }

  /// Recency × frequency, most recent on top.
  var rfmSection: Section? {
    guard let grid = content.rfm, let width = grid.counts.first?.count, width > 0 else {
      return nil
    }
    let most = grid.counts.joined().max() ?? 0
    let all = grid.counts.joined().reduce(0, +)
    guard all > 0 else { return nil }
    let rows = grid.counts.indices.reversed().map { recency -> HTML in
      let cells = (0..<width).map { frequency -> HTML in
        let count = grid.counts[recency][frequency]
        let mean = grid.meanMoney?[recency][frequency] ?? nil
        let money: HTML? = mean.map {
          "<small>\(say(.rfmMoney, numbers.amount($0)))</small>"
        }
        // Six steps of the square root: areas, not tails, decide the shade.
        let level = Int((6 * (Double(count) / Double(most)).squareRoot()).rounded())
        guard count > 0 else { return "<td class=\"heat-0\"><span class=\"none\">0</span></td>" }
        return """
          <td class="heat-\(level)"><b>\(numbers.count(count))</b><small>\(
            numbers.percent(share(count, of: all)))</small>\(money)</td>
          """
      }
      return "<tr><th scope=\"row\">R\(recency + 1)</th>\(cells)</tr>\n"
    }
    let headings = (0..<width).map { "<th scope=\"col\">F\($0 + 1)</th>" as HTML }
    return Section(
      id: "rfm", title: say(.rfm), note: say(.rfmNote),
      body: """
        <div class="wide"><table class="rfm"><thead><tr><th><small>\(say(.recencyScore)) ↑ \(
          say(.frequencyScore)) →</small></th>\(headings)</tr></thead><tbody>
        \(rows)</tbody></table></div>
        """)
  }
}
