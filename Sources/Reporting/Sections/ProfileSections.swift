import Segments

extension Page {
  private var hasFeatures: Bool { !profile.featureNames.isEmpty && !profile.segments.isEmpty }

  /// Segments × features; colour and number are the standardised difference from the base.
  var heatMap: Section? {
    guard hasFeatures else { return nil }
    let headings = profile.featureNames.map { sortable(featureName($0)) }
    let rows = profile.segments.indices.map { label -> HTML in
      let segment = profile.segments[label]
      let cells = zip(profile.featureNames, segment.features).map { name, feature -> HTML in
        let difference = feature.differenceFromBase
        return """
          <td class="\(Self.heat(difference))" data-v="\(HTML.value(difference))" title="\(
            featureName(name)): \(numbers.amount(feature.mean))">\(numbers.signed(difference, 2))</td>
          """
      }
      return """
        <tr><th scope="row" data-v="\(label)">\(segmentHeading(label))</th><td class="n" data-v="\(
          segment.size)">\(numbers.count(segment.size))</td>\(cells)</tr>

        """
    }
    let base = profile.features.map { "<td>\(numbers.amount($0.mean))</td>" as HTML }
    return Section(
      id: "profile", title: say(.profile), note: say(.profileNote),
      body: """
        <div class="wide"><table class="heat sortable"><thead><tr>\(sortable(say(.segment)))\(
          sortable(say(.size)))\(headings)</tr></thead><tbody>
        \(rows)</tbody><tfoot><tr><th scope="row">\(say(.base))</th><td class="n">\(
          numbers.count(profile.customers))</td>\(base)</tr></tfoot></table></div>
        """)
  }

  private func sortable(_ heading: String) -> HTML {
    "<th scope=\"col\"><button type=\"button\">\(heading)</button></th>"
  }

  /// Steps rather than a ramp, so that equal colours mean about equal differences.
  private static func heat(_ difference: Double) -> String {
    let level = [0.1, 0.3, 0.6, 1, 1.5, 2.5].lastIndex { abs(difference) >= $0 }
    guard let level else { return "h0" }
    return (difference < 0 ? "low" : "high") + "\(level + 1)"
  }

  /// Features as rows, so that their names stay readable; 0 is the base.
  var snakePlot: Section? {
    guard hasFeatures, profile.featureNames.count > 1 else { return nil }
    let differences = profile.segments.flatMap { $0.features.map(\.differenceFromBase) }
      .filter(\.isFinite)
    let scale = LinearScale(
      min(differences.min() ?? 0, -0.5)...max(differences.max() ?? 0, 0.5), pixels: 214...704)
    let step = 34.0
    let bottom = 30 + step * Double(profile.featureNames.count)
    var picture: [HTML] = scale.ticks(6).map { tick in
      """
      <line class="\(tick == 0 ? "axis" : "rule")" x1="\(scale[tick])" x2="\(scale[tick])" y1="18" \
      y2="\(bottom)"/><text class="tick" x="\(scale[tick])" y="\(bottom + 16)" text-anchor="middle">\(
        tick == 0 ? "0" : numbers.signed(tick, tick == tick.rounded() ? 0 : 1))</text>
      """
    }
    for (index, name) in profile.featureNames.enumerated() {
      let y = 30 + step * (Double(index) + 0.5)
      picture.append(
        "<text class=\"label\" x=\"202\" y=\"\(y + 4)\" text-anchor=\"end\">\(shortened(featureName(name), 28))</text>"
      )
    }
    for (label, segment) in profile.segments.enumerated() {
      let points = segment.features.enumerated().compactMap { index, feature in
        feature.differenceFromBase.isFinite
          ? (x: scale[feature.differenceFromBase], y: 30 + step * (Double(index) + 0.5)) : nil
      }
      let path = points.enumerated().map { index, point -> HTML in
        "\(index == 0 ? "M" : "L")\(point.x) \(point.y)"
      }
      picture.append(
        """
        <g><title>\(segment.id) \(segment.name)</title><path class="line s\(Mark(label).colour)" d="\(
          path)"/>\(points.map { Mark(label).svg($0.x, $0.y, radius: 4) })</g>
        """)
    }
    return Section(
      id: "snake", title: say(.snake), note: say(.snakeNote),
      body: """
        <div class="wide"><svg class="plot lines" viewBox="0 0 720 \(bottom + 24)" role="img" aria-label="\(
          say(.snake))">\(picture)</svg></div>\(legend)
        """)
  }

  /// Marks and names, under pictures that show segments.
  var legend: HTML {
    "<ul class=\"legend\">\(profile.segments.indices.map { "<li>\(segmentHeading($0))</li>" as HTML })</ul>"
  }

  /// Per feature: each segment's quartiles, median and mean over the base's quartiles.
  var quantileStrips: Section? {
    guard hasFeatures else { return nil }
    return Section(
      id: "spread", title: say(.strips), note: say(.stripsNote),
      body: "<div class=\"multiples\">\(profile.featureNames.indices.map(strip))</div>")
  }

  private func strip(_ index: Int) -> HTML {
    let base = profile.features[index]
    let summaries = profile.segments.map { $0.features[index] }
    let values = (summaries + [base]).flatMap { [$0.lowerQuartile, $0.upperQuartile, $0.mean] }
      .filter(\.isFinite)
    let low = values.min() ?? 0
    let high = values.max() ?? 0
    let scale = LinearScale(low...(high > low ? high : low + 1), pixels: 44...308)
    let height = 17.0
    let bottom = 8 + height * Double(summaries.count)
    var picture: [HTML] = []
    if base.lowerQuartile.isFinite, base.upperQuartile.isFinite {
      picture.append(
        """
        <rect class="base" x="\(scale[base.lowerQuartile])" y="4" width="\(
          max(scale[base.upperQuartile] - scale[base.lowerQuartile], 1))" height="\(bottom - 4)"/>
        """)
    }
    for (label, summary) in summaries.enumerated() {
      let y = 8 + height * Double(label)
      picture.append(
        "<text class=\"tick\" x=\"36\" y=\"\(y + 12)\" text-anchor=\"end\">\(profile.segments[label].id)</text>"
      )
      guard summary.lowerQuartile.isFinite, summary.upperQuartile.isFinite, summary.median.isFinite
      else { continue }
      let left = scale[summary.lowerQuartile]
      let mean: HTML? =
        summary.mean.isFinite
        ? "<circle class=\"mean\" cx=\"\(scale[summary.mean])\" cy=\"\(y + 8)\" r=\"2\"/>" : nil
      picture.append(
        """
        <g><title>\(profile.segments[label].name): \(numbers.amount(summary.lowerQuartile)) · \(
          numbers.amount(summary.median)) · \(numbers.amount(summary.upperQuartile))</title>\
        <rect class="box c\(Mark(label).colour)" x="\(left)" y="\(y + 3)" width="\(
          max(scale[summary.upperQuartile] - left, 1.5))" height="10"/>\
        <line class="middle" x1="\(scale[summary.median])" x2="\(scale[summary.median])" y1="\(
          y + 1)" y2="\(y + 15)"/>\(mean)</g>
        """)
    }
    for tick in scale.ticks(4) {
      picture.append(
        """
        <line class="rule" x1="\(scale[tick])" x2="\(scale[tick])" y1="\(bottom)" y2="\(bottom + 4)"/>\
        <text class="tick" x="\(scale[tick])" y="\(bottom + 15)" text-anchor="middle">\(
          numbers.short(tick))</text>
        """)
    }
    let name = featureName(profile.featureNames[index])
    return """
      <figure><figcaption>\(name)</figcaption><svg viewBox="0 0 320 \(
        bottom + 20)" role="img" aria-label="\(name)">\(picture)</svg></figure>
      """
  }

  func shortened(_ text: String, _ characters: Int) -> String {
    text.count <= characters ? text : text.prefix(characters - 1) + "…"
  }
}
