import Columnar
import Crypto
import Foundation
import Segments
import Sharding

/// The report of a run as one HTML page that needs nothing else: no network, no library, no fonts.
///
/// Pictures are SVG made here, so they are there without JavaScript and in print; the scatter is
/// one script of ours on a canvas. The page's own policy (CSP) allows that script and that style by
/// their hashes and nothing else. Same content, options and build: same bytes, for any thread count.
package enum HTMLReport {
  /// - Parameters:
  ///   - content: What the run knows. Absent parts have no section.
  ///   - workers: Threads for the passes over `content.customers`.
  /// - Returns: UTF-8; below 3 MB at the default sample and up to 50 segments.
  /// - Throws: ``ReportError`` when ids have no text or a label no segment; `Cancelled`.
  /// - Complexity: O(customers) in parallel; memory as ``ScatterLayers``.
  package static func render(
    _ content: ReportContent, options: ReportOptions, workers: Workers = Workers()
  ) throws -> [UInt8] {
    let concentration = try content.customers?.money.flatMap { try Concentration($0, workers) }
    let scatter = try content.customers.map { customers in
      try ScatterLayers(
        customers, segments: content.profile.segments.count, options: options, workers: workers)
    }
    let page = Page(
      content: content, options: options, concentration: concentration, layers: scatter)
    return Array(try page.html().text.utf8)
  }
}

/// What every section writes with: content, words, numbers.
struct Page {
  let content: ReportContent
  let options: ReportOptions
  let concentration: Concentration?
  let layers: ScatterLayers?
  var numbers: NumberFormat { NumberFormat(language: options.language) }
  var profile: BaseProfile { content.profile }

  func say(_ phrase: Phrase, _ values: String...) -> String {
    phrase.text(options.language, values)
  }

  struct Section {
    let id: String
    let title: String
    let note: String?
    let body: HTML
  }

  func html() throws -> HTML {
    let script = String(decoding: PackageResources.page_js, as: UTF8.self)
    let style = String(decoding: PackageResources.page_css, as: UTF8.self)
    let sections = try self.sections()
    return """
      <!DOCTYPE html>
      <html lang="\(options.language.rawValue)">
      <head>
      <meta charset="utf-8">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'sha256-\(
        Self.digest(style))'; script-src 'sha256-\(Self.digest(script))'; base-uri 'none'; form-action 'none'">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="referrer" content="no-referrer">
      <title>\(title)</title>
      <style>\(HTML.verbatim(style))</style>
      </head>
      <body>
      \(contents(sections))<main>
      \(header)\(sections.map(markup))</main>
      <script>\(HTML.verbatim(script))</script>
      </body>
      </html>

      """
  }

  private func sections() throws -> [Section] {
    [
      segmentCards, try scatterSection(), heatMap, snakePlot, quantileStrips, concentrationSection,
      forecastSection, rfmSection, migrationSection, clusterSelectionSection, qualitySection,
      reproductionSection,
      glossarySection,
    ].compactMap { $0 }
  }

  private func contents(_ sections: [Section]) -> HTML {
    let links = sections.map { section -> HTML in
      "<li><a href=\"#\(section.id)\">\(section.title)</a></li>"
    }
    return """
      <nav aria-label="\(say(.contents))"><p class="brand">Tranche</p><ol>\(links)</ol><button \
      type="button" id="theme" hidden>\(say(.theme))</button></nav>

      """
  }

  private func markup(_ section: Section) -> HTML {
    let note: HTML? = section.note.map { "<p class=\"note\">\($0)</p>\n" }
    return """
      <section id="\(section.id)" aria-labelledby="\(section.id)-title">
      <h2 id="\(section.id)-title">\(section.title)</h2>
      \(note)\(section.body)
      </section>

      """
  }

  private static func digest(_ text: String) -> HTML {
    .verbatim(Data(SHA256.hash(data: Data(text.utf8))).base64EncodedString())
  }

  /// A column's name as readers know it; names of the configuration stay as they are.
  func featureName(_ name: String) -> String {
    if let phrase = Phrase.features[name] { return say(phrase) }
    if name.hasPrefix("share_") { return say(.shareOf, String(name.dropFirst(6))) }
    return name
  }

  func offerText(_ segment: SegmentProfile) -> String? {
    segment.offer.map { content.offerTexts[$0] ?? $0 }
  }

  /// "S01 Frequent, high amounts" with the segment's mark.
  func segmentHeading(_ label: Int) -> HTML {
    let segment = profile.segments[label]
    return """
      \(Mark(label).icon)<span class="id">\(segment.id)</span> \(segment.name)
      """
  }

  /// Share of the scored customers, never a division by zero.
  func share(_ part: Int, of whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }

  var money: String? { content.run.currency }
}
