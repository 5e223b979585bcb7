import Segments

extension Page {
  var segmentCards: Section? {
    guard !profile.segments.isEmpty else { return nil }
    let cards = profile.segments.indices.map(card)
    return Section(
      id: "segments", title: say(.segments), note: say(.segmentsNote),
      body: "<div class=\"cards\(cards.count > 12 ? " many" : "")\">\(cards)</div>")
  }

  private func card(_ label: Int) -> HTML {
    let segment = profile.segments[label]
    let money: HTML? = segment.shareOfMoney.map { bar($0, say(.shareOfMoney), label) }
    let traits = self.traits(segment).map { "<li>\($0)</li>" as HTML }
    let change: HTML? = self.change(segment).map { "<p class=\"change\">\($0)</p>" }
    let offer: HTML? = offerText(segment).map {
      "<p class=\"offer\"><span>\(say(.offer))</span> \($0)</p>"
    }
    return """
      <article class="card" id="segment-\(label)">
      <h3>\(segmentHeading(label))</h3>
      <p class="figure">\(numbers.count(segment.size))</p>\(change)
      \(bar(segment.shareOfCustomers, say(.shareOfCustomers), label))\(money)
      <ul class="traits">\(traits)</ul>\(offer)
      </article>

      """
  }

  private func bar(_ share: Double, _ what: String, _ label: Int) -> HTML {
    // A share of net money may be negative or beyond the whole.
    let width = share.isFinite ? min(max(share, 0), 1) * 100 : 0
    return """
      <div class="bar"><svg viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">\
      <rect class="track" width="100" height="3"/><rect class="c\(Mark(label).colour)" width="\(
        width)" height="3"/></svg><span><b>\(numbers.percent(share))</b> \(what)</span></div>
      """
  }

  /// The two largest differences from the base, or the remark that there is none to speak of.
  private func traits(_ segment: SegmentProfile) -> [HTML] {
    let order = segment.features.indices.sorted {
      let (a, b) = (
        abs(segment.features[$0].differenceFromBase), abs(segment.features[$1].differenceFromBase)
      )
      return a == b ? $0 < $1 : a > b
    }
    // A quarter of a standard deviation is where a difference starts to be seen.
    let telling = order.prefix(2).filter { abs(segment.features[$0].differenceFromBase) >= 0.25 }
    guard !telling.isEmpty else { return ["\(say(.average))"] }
    return telling.map { index in
      let difference = segment.features[index].differenceFromBase
      return """
        \(featureName(profile.featureNames[index])) <b>\(
          say(.standardDeviations, numbers.signed(difference, 1)))</b>
        """
    }
  }

  /// Of the size, where the previous run had this segment.
  private func change(_ segment: SegmentProfile) -> HTML? {
    guard let migration = content.migration else { return nil }
    guard let row = migration.previous.firstIndex(where: { $0.id == segment.id }) else {
      return "\(say(.newSegment))"
    }
    let before = migration.counts[row].reduce(0, +)
    let difference = segment.size - before
    let sign = difference > 0 ? "+" : ""
    let relative: HTML? =
      before > 0
      ? " (\(numbers.signedPercent(Double(difference) / Double(before))))"
      : nil
    return "<b>\(sign)\(numbers.count(difference))</b>\(relative) \(say(.sinceLastRun))"
  }
}
