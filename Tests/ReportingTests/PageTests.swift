import Columnar
import Crypto
import Foundation
import Segments
import Sharding
import TestSupport
import Testing

@testable import Reporting

@Suite struct PageTests {
  private func text(_ content: ReportContent, _ options: ReportOptions) throws -> String {
    String(decoding: try HTMLReport.render(content, options: options), as: UTF8.self)
  }

  /// Reads pages with Python's parser: every tag closed in order, ids unique, links pointing
  /// somewhere, nothing that would fetch.
  private func audit(_ pages: [String]) throws -> String {
    let folder = try TemporaryFolder()
    let paths = try pages.enumerated().map { try folder.write("\($0.offset).html", $0.element) }
    return try Shell.python(
      """
      import html.parser, sys
      VOID = {"meta", "input", "br", "link", "img", "hr"}
      class Audit(html.parser.HTMLParser):
          def __init__(self):
              super().__init__(convert_charrefs=True)
              self.open, self.ids, self.links, self.said = [], set(), [], []
          def handle_starttag(self, tag, attributes):
              given = dict(attributes)
              if len(given) != len(attributes): self.said.append(f"attribute twice in {tag}")
              for name in given:
                  if name.startswith("on") or name in ("src", "style"): self.said.append(f"{tag} {name}")
              if "id" in given:
                  if given["id"] in self.ids: self.said.append("id twice: " + given["id"])
                  self.ids.add(given["id"])
              if "href" in given: self.links.append(given["href"])
              if tag not in VOID: self.open.append(tag)
          def handle_startendtag(self, tag, attributes):
              self.handle_starttag(tag, attributes)
              if tag not in VOID: self.open.pop()
          def handle_endtag(self, tag):
              if not self.open or self.open.pop() != tag: self.said.append(f"</{tag}> closes nothing")
      for path in sys.argv[1:]:
          audit = Audit()
          audit.feed(open(path, encoding="utf-8").read())
          audit.close()
          if audit.open: audit.said.append(f"left open: {audit.open}")
          for link in audit.links:
              if link[:1] != "#" or link[1:] not in audit.ids: audit.said.append("link to " + link)
          for said in audit.said: print(path, said)
      """, paths)
  }

  @Test func markupIsWellFormed() throws {
    let base = SyntheticBase(customers: 300)
    let pages =
      try Language.allCases.map { try text(base.fullContent, ReportOptions(language: $0)) } + [
        text(base.bareContent, ReportOptions()),
        text(HostileBase().content, ReportOptions()),
        text(SyntheticBase(customers: 0, segments: 1).fullContent, ReportOptions()),
        text(SyntheticBase(customers: 400, segments: 50).fullContent, ReportOptions()),
      ]
    #expect(try audit(pages) == "")
  }

  /// The same page, whatever the number of threads.
  @Test func threadsDoNotShow() throws {
    let base = SyntheticBase(customers: 3_000)
    let pages = try [1, 2, 8].map {
      try HTMLReport.render(
        base.fullContent, options: ReportOptions(), workers: Workers(threads: $0))
    }
    #expect(pages[0] == pages[1] && pages[0] == pages[2])
  }

  /// Numbers that no run should hand over still make a page.
  @Test(arguments: [Double.nan, .infinity, -.infinity, 1e308, -1e308, 5e-324])
  func oddNumbersMakeAPage(odd: Double) throws {
    let base = SyntheticBase(customers: 200, segments: 3)
    var content = base.fullContent
    content.profile.segments[0].shareOfMoney = odd
    content.profile.segments[0].shareOfCustomers = odd
    for label in 0..<2 {
      content.profile.segments[label].features[1] = FeatureSummary(
        mean: odd, median: odd, lowerQuartile: odd, upperQuartile: label == 0 ? odd : 1,
        differenceFromBase: odd, missingShare: odd)
    }
    content.profile.features[1] = content.profile.segments[0].features[1]
    content.rfm!.meanMoney![4][4] = odd
    content.migration!.stability = odd
    content.clusterSelection!.candidates[2].inertia = odd
    content.clusterSelection!.candidates[2].calinskiHarabasz = odd
    var x = Array(base.columns.x.values.values)
    x[7] = odd
    content.customers!.x.values = Buffer(x)
    content.customers!.money = Buffer(x)
    content.customers!.ages = Buffer(x)
    let page = try text(content, ReportOptions())
    #expect(try audit([page]) == "")
    #expect(!page.contains("nan\""), "no picture is drawn at no number")
  }

  /// The layers past the size of a shard, where threads do meet; without the costly page around it.
  @Test func threadsDoNotShowAcrossShards() throws {
    let n = 700_000
    let columns = CustomerColumns(
      identifiers: Column(.int64(Buffer((0..<n).map { Int64($0) }))),
      labels: Buffer((0..<n).map { Int32($0 % 3) }),
      x: .init(name: "x", values: Buffer((0..<n).map { Double($0 % 911) + 0.25 })),
      y: .init(name: "y", values: Buffer((0..<n).map { Double($0 % 1_013) / 3 })))
    let options = try ReportOptions(scatterPoints: 1_000)
    let layers = try [1, 2, 8].map {
      try ScatterLayers(columns, segments: 3, options: options, workers: Workers(threads: $0))
    }
    for other in layers.dropFirst() {
      #expect(other.sample == layers[0].sample)
      #expect(other.density == layers[0].density)
      #expect(other.x.edges == layers[0].x.edges)
    }
  }

  @Test func absentPartsHaveNoSection() throws {
    let base = SyntheticBase(customers: 200)
    var content = base.bareContent
    for index in content.profile.features.indices {
      content.profile.features[index].missingShare = 0
    }
    let page = try text(content, ReportOptions())
    let sections = page.components(separatedBy: "<section id=\"").dropFirst()
      .compactMap { $0.split(separator: "\"").first }
    #expect(sections == ["segments", "profile", "snake", "spread", "glossary"])
    #expect(!page.contains("application/json"))
    // With no segment at all, not even these.
    content.profile.segments = []
    let empty = try text(content, ReportOptions())
    #expect(empty.components(separatedBy: "<section").count == 2)
  }

  @Test func fiftyThousandPointsStayBelowTheBudget() throws {
    // Sizes depend on points and cells, not on customers: 20,000 here, scaled.
    let base = SyntheticBase(customers: 20_000)
    let page = try HTMLReport.render(base.fullContent, options: ReportOptions())
    let none = try HTMLReport.render(base.fullContent, options: ReportOptions(scatterPoints: 0))
    let perPoint = Double(page.count - none.count) / 20_000
    #expect(Double(none.count) + 50_000 * perPoint < 3_000_000)
    #expect(PackageResources.page_js.count <= 30 << 10)
  }

  @Test func policyAllowsExactlyOurScriptAndStyle() throws {
    let page = try text(SyntheticBase(customers: 50).fullContent, ReportOptions())
    func digest(_ bytes: [UInt8]) -> String {
      Data(SHA256.hash(data: bytes)).base64EncodedString()
    }
    #expect(page.contains("default-src 'none'"))
    #expect(page.contains("script-src 'sha256-\(digest(PackageResources.page_js))'"))
    #expect(page.contains("style-src 'sha256-\(digest(PackageResources.page_css))'"))
    #expect(!page.contains("unsafe-"))
    #expect(!page.contains("http://") && !page.contains("https://"))
  }

  @Test func identifiersAndAgesAsAsked() throws {
    let base = SyntheticBase(customers: 60)
    let texts = (0..<60).map { "customer-\($0 * 31)-secret" }
    var content = base.fullContent
    content.customers!.identifiers = Column(.strings(Strings(texts)))
    let key = try PseudonymKey(Array("0123456789abcdef0123456789abcdef".utf8))
    #expect("\(key)\(String(reflecting: key))".contains("0123") == false)

    let raw = try fields(try text(content, ReportOptions()))
    let hidden = try fields(try text(content, ReportOptions(identifiers: .none, ages: .none)))
    let masked = try fields(
      try text(content, ReportOptions(identifiers: .pseudonym(key), ages: .band)))
    let rawIDs = try #require(Data(base64Encoded: raw["ids"] as! String))
    #expect(texts.allSatisfy { rawIDs.range(of: Data($0.utf8)) != nil })
    #expect(hidden["ids"] == nil && hidden["idLengths"] == nil && hidden["age"] == nil)
    let maskedIDs = try #require(Data(base64Encoded: masked["ids"] as! String))
    #expect(maskedIDs.range(of: Data("secret".utf8)) == nil)
    let expected = try Shell.python(
      """
      import hmac, hashlib, sys
      for text in sys.argv[2:]:
          print(hmac.new(sys.argv[1].encode(), text.encode(), hashlib.sha256).hexdigest()[:16])
      """, ["0123456789abcdef0123456789abcdef"] + texts
    ).split(separator: "\n")
    #expect(expected.count == 60)
    #expect(expected.allSatisfy { maskedIDs.range(of: Data($0.utf8)) != nil })
    let bands = try #require(Data(base64Encoded: masked["age"] as! String))
    #expect(bands.allSatisfy { $0 == 255 || $0 % 5 == 0 })
    #expect(throws: ReportError.pseudonymKeyTooShort(3)) { try PseudonymKey([1, 2, 3]) }
    #expect(throws: ReportError.scatterPointsOutOfRange(-1)) {
      try ReportOptions(scatterPoints: -1)
    }
  }

  /// The embedded data, read by a JSON parser that is not ours.
  private func fields(_ page: String) throws -> [String: Any] {
    let start = try #require(page.range(of: "id=\"data\">"))
    let end = try #require(page[start.upperBound...].range(of: "</script>"))
    let json = String(page[start.upperBound..<end.lowerBound])
    #expect(!json.contains("<") && !json.contains(">") && !json.contains("&"))
    return try #require(
      JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
  }

  @Test func hostileTextsSurviveTheEmbeddedJSON() throws {
    let page = try text(HostileBase().content, ReportOptions())
    #expect(!page.contains("\u{2028}") || !page.contains("<img"), "escaped where it matters")
    let data = try fields(page)
    #expect((data["tiers"] as! [String])[0] == HostileBase.script)
    let segments = data["segments"] as! [[String: String]]
    #expect(segments[1]["name"] == HostileBase.image)
    #expect(!page.contains(HostileBase.script))
    #expect(!page.contains(HostileBase.image))
    #expect(!page.contains(HostileBase.drawing))
  }
}
