import Segments

extension Page {
  var title: String {
    options.title ?? say(.title, options.language.month(content.run.id))
  }

  var header: HTML {
    let run = content.run
    var facts: [HTML] = [
      fact(say(.run), run.id), fact(say(.asOf), run.asOf), fact(say(.model), run.modelID),
    ]
    if let previous = run.previousID { facts.append(fact(say(.previousRun), previous)) }
    facts.append(fact(say(.customers), numbers.count(profile.customers)))
    facts.append(fact(say(.segments), numbers.count(profile.segments.count)))
    return """
      <header>
      <h1>\(title)</h1>
      <dl class="facts">\(facts)</dl>
      \(rowBar)\(alertBox)<h2 class="quiet">\(say(.inShort))</h2>
      <ul class="findings">\(findings.map { "<li>\($0)</li>" as HTML })</ul>
      </header>

      """
  }

  private func fact(_ name: String, _ value: String) -> HTML {
    "<div><dt>\(name)</dt><dd>\(value)</dd></div>"
  }

  /// Read = scored + set aside + left out, as numbers and as one bar.
  private var rowBar: HTML? {
    guard let rows = content.rows else { return nil }
    let setAside = rows.quarantined.reduce(0) { $0 + $1.rows }
    let leftOut = rows.excluded.reduce(0) { $0 + $1.rows }
    let parts = [
      (say(.rowsScored), rows.scored, "scored"), (say(.rowsQuarantined), setAside, "aside"),
      (say(.rowsExcluded), leftOut, "out"),
    ]
    let all = max(rows.read, 1)
    var left = 0.0
    var bars: [HTML] = []
    for (_, count, kind) in parts where count > 0 {
      let width = 100 * Double(count) / Double(all)
      bars.append("<rect class=\"\(kind)\" x=\"\(left)\" width=\"\(width)\" height=\"4\"/>")
      left += width
    }
    let keys = parts.map { name, count, kind -> HTML in
      """
      <li><i class="key \(kind)"></i>\(name) <b>\(numbers.count(count))</b> \
      <span class="soft">\(numbers.percent(share(count, of: rows.read)))</span></li>
      """
    }
    return """
      <figure class="rows"><svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">\(
        bars)</svg><ul><li>\(say(.rowsRead)) <b>\(numbers.count(rows.read))</b></li>\(keys)</ul></figure>

      """
  }

  private var alertBox: HTML {
    let alerts = self.alerts
    guard !alerts.isEmpty else {
      return "<p class=\"calm\"><span aria-hidden=\"true\">✓</span> \(say(.nothingUnusual))</p>\n"
    }
    return """
      <div class="alerts" role="note"><h2 class="quiet">\(say(.attention))</h2><ul>\(
        alerts.map { "<li>\($0)</li>" as HTML })</ul></div>

      """
  }

  /// The run's own warnings, then what the numbers themselves say.
  private var alerts: [String] {
    var alerts = content.run.warnings
    if let rows = content.rows {
      let setAside = rows.quarantined.reduce(0) { $0 + $1.rows }
      // One row in a hundred is where a bad file, not a bad row, becomes the likely cause.
      if share(setAside, of: rows.read) >= 0.01,
        let most = rows.quarantined.max(by: { $0.rows < $1.rows })
      {
        alerts.append(
          say(
            .alertQuarantine, numbers.count(setAside),
            numbers.percent(share(setAside, of: rows.read)), most.name))
      }
    }
    if let migration = content.migration, migration.stability < 0.7 {
      alerts.append(say(.alertStability, numbers.percent(migration.stability)))
    }
    for (name, feature) in zip(profile.featureNames, profile.features)
    where feature.missingShare >= 0.2 {
      alerts.append(say(.alertMissing, featureName(name), numbers.percent(feature.missingShare)))
    }
    for segment in profile.segments where profile.segments.count > 1 {
      let share = segment.shareOfCustomers
      if share > 0.6 {
        alerts.append(say(.alertDominant, segment.name, numbers.percent(share)))
      } else if share < 0.002 {
        alerts.append(
          say(
            .alertTiny, segment.name, numbers.count(segment.size), numbers.percent(share, 2)))
      }
    }
    return alerts
  }

  private var findings: [String] {
    var findings = [
      say(
        .findingScored, content.run.asOf, numbers.count(profile.customers),
        numbers.count(profile.segments.count))
    ]
    if let largest = profile.segments.max(by: { $0.size < $1.size }), profile.segments.count > 1 {
      findings.append(
        say(.findingLargest, largest.name, numbers.percent(largest.shareOfCustomers)))
    }
    // Whose money is most out of proportion to its number, of those that matter at all.
    let rich = profile.segments.filter {
      $0.shareOfCustomers > 0.001 && ($0.shareOfMoney ?? 0) > 0.05
    }
    if let richest = rich.max(by: {
      $0.shareOfMoney! / $0.shareOfCustomers < $1.shareOfMoney! / $1.shareOfCustomers
    }), profile.segments.count > 1 {
      findings.append(
        say(
          .findingMoney, richest.name, numbers.percent(richest.shareOfCustomers),
          numbers.percent(richest.shareOfMoney!)))
    }
    if let concentration {
      findings.append(
        say(
          .findingConcentration, numbers.percent(concentration.share(ofTop: 0.2)),
          numbers.decimal(concentration.gini, 2)))
    }
    if let migration = content.migration {
      let new = migration.counts.last?.reduce(0, +) ?? 0
      let left = migration.counts.reduce(0) { $0 + ($1.last ?? 0) }
      findings.append(
        say(
          .findingStability, numbers.percent(migration.stability), numbers.count(new),
          numbers.count(left)))
    }
    return findings
  }
}
