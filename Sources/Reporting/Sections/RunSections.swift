import Segments

extension Page {
  /// One small picture per criterion, all over k.
  var clusterSelectionSection: Section? {
    guard let selection = content.clusterSelection, !selection.candidates.isEmpty else {
      return nil
    }
    let candidates = selection.candidates
    func pairs(_ value: (ReportContent.ClusterSelection.Candidate) -> Double?) -> [(Int, Double)] {
      candidates.compactMap { candidate in
        value(candidate).flatMap { $0.isFinite ? (candidate.k, $0) : nil }
      }
    }
    let intervals = candidates.compactMap { candidate in
      candidate.silhouetteInterval.flatMap { interval in
        interval.lowerBound.isFinite && interval.upperBound.isFinite ? (candidate.k, interval) : nil
      }
    }
    let pictures: [(Phrase, Phrase?, [(Int, Double)], [(Int, ClosedRange<Double>)])] = [
      (.inertia, .lookForKnee, pairs(\.inertia), []),
      (.silhouette, .higherBetter, pairs(\.silhouette), intervals),
      (.calinskiHarabasz, .higherBetter, pairs(\.calinskiHarabasz), []),
      (.daviesBouldin, .lowerBetter, pairs(\.daviesBouldin), []),
      (.resampleStability, .higherBetter, pairs(\.stability), []),
      (.seconds, nil, pairs(\.seconds), []),
    ]
    let figures = pictures.compactMap { name, advice, points, intervals -> HTML? in
      points.isEmpty
        ? nil
        : criterion(say(name), advice.map { say($0) }, points, intervals, chosen: selection.chosen)
    }
    let reason: HTML? = selection.reason.map { "<p>\($0)</p>" }
    return Section(
      id: "selection", title: say(.selection), note: say(.selectionNote),
      body: "\(reason)<div class=\"multiples\">\(figures)</div>")
  }

  private func criterion(
    _ name: String, _ advice: String?, _ points: [(k: Int, value: Double)],
    _ intervals: [(k: Int, range: ClosedRange<Double>)], chosen: Int
  ) -> HTML {
    let all =
      points.map(\.value) + intervals.flatMap { [$0.range.lowerBound, $0.range.upperBound] }
    let (low, high) = (all.min()!, all.max()!)
    let margin = high > low ? (high - low) * 0.08 : max(abs(low) * 0.1, 1e-9)
    let (first, last) = (points.map(\.k).min()!, points.map(\.k).max()!)
    let x = LinearScale(
      Double(first)...Double(max(last, first + 1)), pixels: 52...308)
    let y = LinearScale(low - margin...high + margin, pixels: 10...132, isUpward: true)
    var picture: [HTML] = y.ticks(4).map { tick in
      """
      <line class="rule" x1="46" x2="312" y1="\(y[tick])" y2="\(y[tick])"/><text class="tick" x="42" \
      y="\(y[tick] + 4)" text-anchor="end">\(numbers.short(tick))</text>
      """
    }
    // Every k where they fit, else every second, fifth …
    let stride = [1, 2, 5, 10, 20, 50].first { (last - first) / $0 <= 14 } ?? 100
    for k in Swift.stride(from: first, through: last, by: stride) {
      picture.append(
        "<text class=\"tick\" x=\"\(x[Double(k)])\" y=\"150\" text-anchor=\"middle\">\(k)</text>")
    }
    for (k, range) in intervals {
      picture.append(
        """
        <line class="interval" x1="\(x[Double(k)])" x2="\(x[Double(k)])" y1="\(
          y[range.lowerBound])" y2="\(y[range.upperBound])"/>
        """)
    }
    let path = points.enumerated().map { index, point -> HTML in
      "\(index == 0 ? "M" : "L" as HTML)\(x[Double(point.k)]) \(y[point.value])"
    }
    picture.append("<path class=\"line\" d=\"\(path)\"/>")
    for (k, value) in points {
      let isChosen = k == chosen
      picture.append(
        """
        <g><title>k = \(k): \(numbers.amount(value))</title><circle class="\(
          isChosen ? "point" : "dot")" cx="\(x[Double(k)])" cy="\(y[value])" r="\(
          isChosen ? 5.0 : 2.5)"/></g>
        """)
    }
    let soft: HTML? = advice.map { " <span class=\"soft\">\($0)</span>" }
    return """
      <figure><figcaption>\(name)\(soft)</figcaption><svg viewBox="0 0 320 156" role="img" aria-label="\(
        name)">\(picture)</svg></figure>
      """
  }

  var qualitySection: Section? {
    let missing = zip(profile.featureNames, profile.features).filter { $0.1.missingShare > 0 }
    guard content.rows != nil || !missing.isEmpty else { return nil }
    var body: HTML = ""
    if let rows = content.rows { body += rowTable(rows) }
    if !missing.isEmpty {
      let lines = missing.map { name, feature -> HTML in
        """
        <tr><th scope="row">\(featureName(name))</th><td>\(
          numbers.percent(feature.missingShare, 2))</td></tr>
        """
      }
      body += """
        <table class="plain"><thead><tr><th scope="col">\(say(.missingValues))</th><th scope="col">\(
          say(.share))</th></tr></thead><tbody>\(lines)</tbody></table>
        """
    }
    return Section(
      id: "quality", title: say(.quality), note: content.rows == nil ? nil : say(.qualityNote),
      body: "<div class=\"beside\">\(body)</div>")
  }

  private func rowTable(_ rows: ReportContent.RowCounts) -> HTML {
    func line(_ name: HTML, _ count: Int, _ kind: HTML = "") -> HTML {
      """
      <tr\(kind)><th scope="row">\(name)</th><td>\(numbers.count(count))</td><td>\(
        numbers.percent(share(count, of: rows.read), 2))</td></tr>
      """
    }
    func group(_ phrase: Phrase, _ reasons: [ReportContent.RowCounts.Reason]) -> [HTML] {
      [line("\(say(phrase))", reasons.reduce(0) { $0 + $1.rows })]
        + reasons.filter { $0.rows > 0 }.map { line("\($0.name)", $0.rows, " class=\"sub\"") }
    }
    let lines =
      [line("\(say(.rowsRead))", rows.read), line("\(say(.rowsScored))", rows.scored)]
      + group(.rowsQuarantined, rows.quarantined) + group(.rowsExcluded, rows.excluded)
    return """
      <table class="plain"><thead><tr><th></th><th scope="col">\(say(.rows))</th><th scope="col">\(
        say(.share))</th></tr></thead><tbody>\(lines)</tbody></table>
      """
  }

  var reproductionSection: Section? {
    guard let reproduction = content.reproduction else { return nil }
    let inputs = reproduction.inputs.map { input -> HTML in
      """
      <tr><th scope="row">\(input.path)</th><td>\(input.rows.map(numbers.count) ?? "")</td><td><code>\(
        input.sha256)</code></td></tr>
      """
    }
    let files: HTML? =
      inputs.isEmpty
      ? nil
      : """
      <div class="wide"><table class="plain hashes"><thead><tr><th scope="col">\(
        say(.inputs))</th><th scope="col">\(
        say(.rows))</th><th scope="col">SHA-256</th></tr></thead><tbody>\(inputs)</tbody></table></div>
      """
    let versions = reproduction.versions.map { "<li>\($0.name) <b>\($0.version)</b></li>" as HTML }
    let versionList: HTML? =
      versions.isEmpty ? nil : "<h3>\(say(.versions))</h3><ul class=\"moves\">\(versions)</ul>"
    return Section(
      id: "reproduce", title: say(.reproduce), note: say(.reproduceNote),
      body: """
        <pre><code>\(reproduction.command)</code></pre>
        <p>\(say(.seed)) <b>\(String(reproduction.seed))</b></p>
        \(files)\(versionList)
        """)
  }

  var glossarySection: Section? {
    let terms = Phrase.glossaryTerms.map { entry -> HTML in
      "<div><dt>\(say(entry.term))</dt><dd>\(say(entry.meaning))</dd></div>"
    }
    return Section(
      id: "glossary", title: say(.glossary), note: nil, body: "<dl class=\"glossary\">\(terms)</dl>"
    )
  }
}
