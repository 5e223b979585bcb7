extension Page {
  /// The canvas, its controls, the data for the script, and the same groups as a table.
  func scatterSection() throws -> Section? {
    guard let layers, let customers = content.customers, !profile.segments.isEmpty,
      layers.placed.contains(where: { $0 > 0 })
    else { return nil }
    let names = (x: axisName(customers.x.name), y: axisName(customers.y.name))
    let data = try ScatterData(
      layers, customers, profile: profile, offers: profile.segments.map { offerText($0) ?? "" },
      options: options, axisNames: names, texts: scriptTexts)
    return Section(
      id: "scatter", title: say(.scatter, names.x, names.y), note: scatterNote(layers),
      body: """
        \(controls(names))
        <div id="stage"><canvas id="canvas" tabindex="0" role="application" aria-label="\(
          say(.scatterLabel))"></canvas><div id="tip" role="status" aria-live="polite" hidden></div></div>
        <p id="picked" hidden></p>
        <noscript><p class="note">\(say(.scatterNeedsScript))</p></noscript>
        \(scatterLegend(layers))
        \(scatterTable(layers, customers, names))
        <script type="application/json" id="data">\(HTML.verbatim(data.json))</script>
        """)
  }

  private func axisName(_ name: String) -> String {
    let text = featureName(name)
    guard let money, Phrase.moneyFeatures.contains(name) else { return text }
    return "\(text) (\(money))"
  }

  private func scatterNote(_ layers: ScatterLayers) -> String {
    var note = [say(.scatterNote, numbers.count(layers.sample.count))]
    if layers.unplaced > 0 { note.append(say(.scatterUnplaced, numbers.count(layers.unplaced))) }
    if options.smallestCell > 1 {
      note.append(
        say(
          .scatterSuppressed, numbers.count(options.smallestCell), numbers.count(layers.suppressed))
      )
    }
    switch options.identifiers {
    case .raw: note.append(say(.idsRaw))
    case .pseudonym: note.append(say(.idsPseudonym))
    case .none: note.append(say(.idsNone))
    }
    return note.joined(separator: " ")
  }

  private var scriptTexts: [(key: String, text: String)] {
    [
      ("customer", say(.customerID)), ("age", say(.age)), ("segment", say(.segment)),
      ("tier", say(.tier)), ("offer", say(.offer)), ("selected", say(.selected)),
      ("notInSample", say(.notInSample)), ("selectHelp", say(.selectHelp)),
      ("csv", say(.downloadCSV)), ("all", say(.customers)),
    ]
  }

  private func controls(_ names: (x: String, y: String)) -> HTML {
    let search: HTML?
    if case .none = options.identifiers {
      search = nil
    } else {
      search = """
        <label class="search"><span class="sr">\(say(.searchID))</span><input id="find" type="search" \
        autocomplete="off" spellcheck="false" placeholder="\(say(.searchID))"></label>
        """
    }
    return """
      <div class="tools" id="tools" hidden><select id="layer" aria-label="\(
        say(.layerDensity))"><option value="both">\(say(.layerBoth))</option><option value="points">\(
        say(.layerPoints))</option><option value="density">\(say(.layerDensity))</option></select>\
      <label><input type="checkbox" id="log-x"> x \(say(.logarithmic))</label>\
      <label><input type="checkbox" id="log-y"> y \(say(.logarithmic))</label>\
      <span class="group"><button type="button" id="zoom-in" aria-label="\(
        say(.zoomIn))">+</button><button type="button" id="zoom-out" aria-label="\(
        say(.zoomOut))">−</button><button type="button" id="reset">\(say(.reset))</button></span>\
      <button type="button" id="select" aria-pressed="false" title="\(say(.selectHelp))">\(
        say(.select))</button><button type="button" id="png">\(say(.downloadPNG))</button>\(search)</div>
      """
  }

  private func scatterLegend(_ layers: ScatterLayers) -> HTML {
    let items = profile.segments.indices.map { label -> HTML in
      """
      <li><button type="button" data-label="\(label)" aria-pressed="true" title="\(
        say(.hideShow))">\(segmentHeading(label)) <span class="soft">\(
        numbers.count(layers.placed[label]))</span></button></li>
      """
    }
    return "<ul class=\"legend\" id=\"legend\">\(items)</ul>"
  }

  /// What the picture shows, for who cannot see it.
  private func scatterTable(
    _ layers: ScatterLayers, _ customers: CustomerColumns, _ names: (x: String, y: String)
  ) -> HTML {
    var shown = Array(repeating: 0, count: profile.segments.count)
    for row in layers.sample { shown[Int(customers.labels[row])] += 1 }
    let axes = [customers.x.name, customers.y.name].map {
      profile.featureNames.firstIndex(of: $0)
    }
    let rows = profile.segments.indices.map { label -> HTML in
      let segment = profile.segments[label]
      let values = axes.compactMap { $0 }.map { index -> HTML in
        let feature = segment.features[index]
        return """
          <td>\(numbers.amount(feature.median))</td><td>\(numbers.amount(feature.lowerQuartile)) – \(
            numbers.amount(feature.upperQuartile))</td>
          """
      }
      return """
        <tr><th scope="row">\(segmentHeading(label))</th><td>\(
          numbers.count(layers.placed[label]))</td><td>\(numbers.count(shown[label]))</td>\(values)</tr>

        """
    }
    let headings = zip(axes, [names.x, names.y]).filter { $0.0 != nil }.map { _, name -> HTML in
      """
      <th scope="col">\(name), \(say(.median))</th><th scope="col">\(name), \(say(.quartiles))</th>
      """
    }
    return """
      <details><summary>\(say(.tableFallback))</summary><div class="wide"><table class="plain"><thead>\
      <tr><th scope="col">\(say(.segment))</th><th scope="col">\(say(.customers))</th><th scope="col">\(
        say(.sampled))</th>\(headings)</tr></thead><tbody>
      \(rows)</tbody></table></div></details>
      """
  }
}
