import Columnar
import Foundation
import Sharding
import Testing

@testable import Reporting

/// The page in a real browser: opened from a file, hovered, clicked, searched.
@Suite(.enabled(if: Browser.isInstalled, "needs Chromium")) struct BrowserTests {
  private let canvasBox = Browser.Action.evaluate(
    "(document.getElementById('canvas').scrollIntoView({block: 'center'}), (b => [b.left, b.top, b.width, b.height].join(' '))(document.getElementById('canvas').getBoundingClientRect()))"
  )
  private let tip = Browser.Action.evaluate(
    "document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText")

  /// Where the page says its canvas lies once scrolled into view, at 1280 × 900.
  private func box(_ page: [UInt8]) throws -> CanvasGeometry {
    let answer = try #require(Browser.read(page, [canvasBox]).answers.first)
    let sides = answer.split(separator: " ").compactMap { Double($0) }
    return CanvasGeometry(left: sides[0], top: sides[1], width: sides[2], height: sides[3])
  }

  @Test(arguments: Language.allCases)
  func opensQuietly(language: Language) throws {
    let base = SyntheticBase(customers: 600)
    let page = try HTMLReport.render(base.fullContent, options: ReportOptions(language: language))
    let record = try Browser.read(
      page,
      [
        .evaluate("document.querySelectorAll('section').length"),
        .evaluate("document.getElementById('tools').hidden"),
        .size(360, 740),
        .evaluate("document.documentElement.scrollWidth <= innerWidth"),
      ])
    // No error, no refusal of the page's own policy, and nothing fetched.
    #expect(record.console == [])
    #expect(record.requests == [])
    #expect(record.answers == ["12", "false", "true"])
  }

  @Test func hoverShowsTheCustomerAtThatPixel() throws {
    let base = SyntheticBase(customers: 300, segments: 3)
    let page = try HTMLReport.render(base.fullContent, options: ReportOptions())
    let layers = try ScatterLayers(
      base.columns, segments: 3, options: ReportOptions(), workers: Workers(threads: 1))
    let geometry = try box(page)
    let pixels = (0..<300).map { geometry.pixel($0, base.columns, layers) }
    // The two loneliest customers: no neighbour can be meant instead.
    let lonely = (0..<300).sorted { loneliness($0, pixels) > loneliness($1, pixels) }.prefix(2)

    let record = try Browser.read(
      page,
      [canvasBox]
        + lonely.flatMap { [.move(pixels[$0].x, pixels[$0].y), tip] as [Browser.Action] }
        + [
          .move(geometry.left + 2, geometry.top + 2), tip,
          .move(pixels[lonely[0]].x, pixels[lonely[0]].y),
          colour(pixels[lonely[0]], geometry, lonely[0], base),
        ])
    #expect(record.console == [])
    for (position, row) in lonely.enumerated() {
      let text = record.answers[position + 1]
      let age = base.columns.ages![row]
      #expect(text.contains("\(1_000_000 + row * 7)"), "\(text)")
      #expect(text.contains(base.profile.segments[Int(base.columns.labels[row])].name))
      #expect(text.contains("\(Int(base.columns.x.values[row]))"))
      #expect(text.contains(base.columns.tiers!.names[Int(base.columns.tiers!.codes[row])]))
      #expect(age.isNaN ? !text.contains("Age") : text.contains("Age\n\(Int(age))"), "\(text)")
    }
    #expect(record.answers[3] == "", "no customer lies outside the plot")
    #expect(record.answers[4] == "true", "the mark is drawn at that very pixel")
  }

  @Test func legendHidesAndSearchFinds() throws {
    let base = SyntheticBase(customers: 300, segments: 3)
    let page = try HTMLReport.render(base.fullContent, options: ReportOptions())
    let layers = try ScatterLayers(
      base.columns, segments: 3, options: ReportOptions(), workers: Workers(threads: 1))
    let geometry = try box(page)
    let pixels = (0..<300).map { geometry.pixel($0, base.columns, layers) }
    let row = (0..<300).max { loneliness($0, pixels) < loneliness($1, pixels) }!
    let label = base.columns.labels[row]
    let legend = "document.querySelector('#legend button[data-label=\"\(label)\"]')"
    func search(_ id: Int) -> Browser.Action {
      .evaluate(
        "(f => { f.value = '\(id)'; f.dispatchEvent(new Event('change')); return f.validationMessage; })(document.getElementById('find'))"
      )
    }
    let record = try Browser.read(
      page,
      [
        canvasBox, .evaluate("(\(legend).click(), \(legend).getAttribute('aria-pressed'))"),
        .move(pixels[row].x, pixels[row].y), tip,
        search(1_000_000 + row * 7), tip, .evaluate("\(legend).getAttribute('aria-pressed')"),
        search(5), tip,
      ])
    let answers = record.answers
    #expect(record.console == [])
    #expect(answers[1] == "false")
    #expect(answers[2] == "", "a hidden segment is not picked")
    #expect(answers[3] == "")
    #expect(answers[4].contains("\(1_000_000 + row * 7)"))
    #expect(answers[5] == "true", "searching shows a hidden segment again")
    #expect(answers[6] != "", "an unknown id is said to be unknown")
    #expect(answers[7] == "")
  }

  @Test func lassoCountsAndSavesGuardedCells() throws {
    var base = SyntheticBase(customers: 120, segments: 2)
    let ids = ["=1+1", "+49 1", "@SUM(A1)", "-2+3", "a,\"b\"", "-17", "\t=2", "＝3"]
    base.columns.identifiers = Column(
      .strings(Strings((0..<120).map { $0 < ids.count ? ids[$0] : "c\($0)" })))
    base.profile.segments[1].name = "=cmd|' /C calc'!A0"
    let page = try HTMLReport.render(base.fullContent, options: ReportOptions())
    let geometry = try box(page)
    let (left, top) = (geometry.left + 63, geometry.top + 13)
    let (right, bottom) = (
      geometry.left + geometry.width - 15, geometry.top + geometry.height - 47
    )
    let record = try Browser.read(
      page,
      [
        canvasBox, .evaluate("document.getElementById('select').click()"),
        .drag([(left, top), (right, top), (right, bottom), (left, bottom)]),
        .evaluate("document.getElementById('picked').innerText"),
        .evaluate("document.getElementById('csv').click()"),
        .download("customers.csv"),
      ])
    #expect(record.console == [])
    #expect(record.requests == [])
    #expect(record.answers[2].contains("120"))
    let csv = String(decoding: try #require(record.files["customers.csv"]), as: UTF8.self)
    let lines = csv.components(separatedBy: "\r\n")
    #expect(lines.count == 122)
    for id in ids where id != "-17" {
      let quoted = id.contains("\"") || id.contains("\t")
      let expected = id.hasPrefix("a") ? "\"a,\"\"b\"\"\"," : quoted ? "\"'\(id)\"," : "'\(id),"
      #expect(lines.contains { $0.hasPrefix(expected) }, "\(id)")
    }
    #expect(lines.contains { $0.hasPrefix("-17,") }, "a number stays a number")
    #expect(lines.contains { $0.contains(",'=cmd|") })
  }

  @Test func keyboardWalksZoomsAndSorts() throws {
    let base = SyntheticBase(customers: 300, segments: 3)
    let page = try HTMLReport.render(base.fullContent, options: ReportOptions())
    let sizes = "[...document.querySelectorAll('.heat tbody tr')].map(r => +r.cells[1].dataset.v)"
    let sort = "document.querySelectorAll('.heat thead button')[1].click()"
    let record = try Browser.read(
      page,
      [
        canvasBox, .evaluate("document.getElementById('canvas').focus()"), .key("ArrowRight"), tip,
        .key("ArrowRight"), tip, .key("Escape"), tip, .key("+"), .key("0"),
        .evaluate("(\(sort), \(sizes))"), .evaluate("(\(sort), \(sizes))"),
        .evaluate(
          "(document.getElementById('log-x').click(), document.getElementById('log-x').checked)"),
        .evaluate(
          "(document.getElementById('theme').click(), document.documentElement.dataset.theme)"),
      ])
    let answers = record.answers
    #expect(record.console == [])
    #expect(answers[2].contains("Customer"))
    #expect(answers[3].contains("Customer") && answers[3] != answers[2])
    #expect(answers[4] == "")
    let expected = base.profile.segments.map(\.size).sorted()
    #expect(answers[5] == expected.reversed().map(String.init).joined(separator: ","))
    #expect(answers[6] == expected.map(String.init).joined(separator: ","))
    #expect(answers[8] == "dark")
  }

  @Test func hostileTextsStayText() throws {
    let hostile = HostileBase()
    let record = try Browser.read(
      try HTMLReport.render(hostile.content, options: ReportOptions()),
      [
        .evaluate("window.pwned"),
        .evaluate("document.querySelectorAll('img,iframe,object').length"),
        .evaluate("document.scripts.length"),
        .evaluate("document.querySelectorAll('[onerror],[onload],[onclick],[style]').length"),
        canvasBox, .evaluate("document.getElementById('canvas').focus()"), .key("ArrowRight"), tip,
        .evaluate("window.pwned"),
        .evaluate("document.querySelector('.card h3').textContent"),
        .evaluate("document.querySelector('pre').textContent"),
      ])
    let answers = record.answers
    #expect(record.console == [])
    #expect(record.requests == [])
    #expect(Array(answers[0...3]) == ["undefined", "0", "2", "0"])
    #expect(answers[6].contains("<img src=x onerror=pwned=1>"), "\(answers[6])")
    #expect(answers[6].contains("</script><script>pwned=2</script>"))
    #expect(answers[7] == "undefined")
    #expect(answers[8].contains("</script><script>pwned=2</script>"))
    #expect(answers[9].contains("<svg onload=pwned=3>"))
  }

  @Test(arguments: [0, 1, 50])
  func oddNumbersOfSegments(segments: Int) throws {
    let base = SyntheticBase(customers: segments == 0 ? 0 : 500, segments: max(segments, 1))
    let page = try HTMLReport.render(base.fullContent, options: ReportOptions())
    let record = try Browser.read(
      page, [.evaluate("document.querySelectorAll('#legend button').length")])
    #expect(record.console == [])
    #expect(record.answers == ["\(segments)"])
  }

  @Test func densityAloneNeedsNoPointsAndSavesAPicture() throws {
    let base = SyntheticBase(customers: 500)
    let page = try HTMLReport.render(base.fullContent, options: ReportOptions(scatterPoints: 0))
    let ink = """
      (c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set();
      for (let i = 0; i < d.length; i += 4) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return seen.size > 20; })(document.getElementById('canvas'))
      """
    let record = try Browser.read(
      page,
      [
        .evaluate(ink), .evaluate("document.getElementById('png').click()"),
        .download("customers.png"),
      ])
    #expect(record.console == [])
    #expect(record.answers.first == "true")
    let png = try #require(record.files["customers.png"])
    #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47]))
  }

  /// Whether a pixel of the canvas has the colour of a customer's segment.
  private func colour(
    _ pixel: (x: Double, y: Double), _ geometry: CanvasGeometry, _ row: Int, _ base: SyntheticBase
  ) -> Browser.Action {
    .evaluate(
      """
      new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
        const [r, g, b] = document.getElementById('canvas').getContext('2d').getImageData(\(
          Int(pixel.x - geometry.left)), \(Int(pixel.y - geometry.top)), 1, 1).data;
        const hex = '#' + [r, g, b].map(v => v.toString(16).padStart(2, '0')).join('');
        done(hex === getComputedStyle(document.documentElement).getPropertyValue('--c\(
          base.columns.labels[row])').trim());
      })))
      """)
  }

  private func loneliness(_ row: Int, _ pixels: [(x: Double, y: Double)]) -> Double {
    pixels.indices.filter { $0 != row }.map {
      hypot(pixels[$0].x - pixels[row].x, pixels[$0].y - pixels[row].y)
    }.min()!
  }
}

/// Where the page must draw a customer, worked out apart from its script.
private struct CanvasGeometry {
  let left: Double
  let top: Double
  let width: Double
  let height: Double

  func pixel(_ row: Int, _ columns: CustomerColumns, _ layers: ScatterLayers) -> (
    x: Double, y: Double
  ) {
    let x = position(columns.x.values[row], layers.x)
    let y = position(columns.y.values[row], layers.y)
    return (left + 62 + x * (width - 62 - 14), top + 12 + (1 - y) * (height - 12 - 46))
  }

  /// 0…1 on an axis that leaves 3 % free at both ends.
  private func position(_ value: Double, _ cells: AxisCells) -> Double {
    let low = AxisCells.scaled(cells.edges.first!, cells.isLogarithmic)
    let high = AxisCells.scaled(cells.edges.last!, cells.isLogarithmic)
    let share = (AxisCells.scaled(value, cells.isLogarithmic) - low) / (high - low)
    return (share + 0.03) / 1.06
  }
}
