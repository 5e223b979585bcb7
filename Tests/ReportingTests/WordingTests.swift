import Testing

@testable import Reporting

@Suite struct NumberFormatTests {
  @Test func followsTheLanguage() {
    let formats = Language.allCases.map(NumberFormat.init(language:))
    #expect(
      formats.map { $0.count(1_234_567) } == [
        "1,234,567", "1.234.567", "1\u{a0}234\u{a0}567", "1,234,567",
      ])
    #expect(formats.map { $0.percent(0.1234) } == ["12.3\u{a0}%", "%12,3", "12,3\u{a0}%", "12.3%"])
    #expect(
      formats.map { $0.signedPercent(0.064) } == ["+6.4\u{a0}%", "+%6,4", "+6,4\u{a0}%", "+6.4%"])
    #expect(formats.map { $0.percent(-0.5, 0) } == ["−50\u{a0}%", "−%50", "−50\u{a0}%", "−50%"])
    #expect(Language.chinese.month("2025-12") == "2025年12月")
    #expect(Language.turkish.month("2025-02-28") == "Şubat 2025")
    #expect(Language.english.month("latest") == "latest")
  }

  @Test func signsZerosAndSizes() {
    let numbers = NumberFormat(language: .english)
    #expect(numbers.signed(0.004, 2) == "+0.00")
    #expect(numbers.signed(-0.004, 2) == "+0.00", "a zero has no minus")
    #expect(numbers.signed(-1.25, 1) == "−1.3")
    #expect(numbers.count(-1_000) == "−1,000")
    #expect(
      [0, 12, 0.5, 12.345, 123.456, 12_345.6, 0.0123, -0.00012].map(numbers.amount)
        == ["0", "12", "0.50", "12.35", "123.5", "12,346", "0.0123", "−0.000120"])
    #expect(
      [950, 1_000, 12_300, 1_500_000, 250e6].map(numbers.short) == [
        "950", "1k", "12.3k", "1.5M", "250M",
      ])
    #expect(numbers.decimal(.nan, 2) == "–")
  }
}

@Suite struct MarkupTests {
  @Test func interpolatedTextIsEscaped() {
    let text = "<b a=\"'\">&\u{0}\u{1b}é"
    let html: HTML = "<p title=\"\(text)\">\(text)</p>"
    let escaped = "&lt;b a=&quot;&#39;&quot;&gt;&amp;\u{fffd}\u{fffd}é"
    #expect(html.text == "<p title=\"\(escaped)\">\(escaped)</p>")
    let nested: HTML = "<div>\(html)\([html, html])</div>"
    #expect(nested.text == "<div>\(html.text)\(html.text)\(html.text)</div>")
  }

  @Test func coordinatesHaveTwoDecimals() {
    let html: HTML = "\(1.0) \(-0.004) \(2.5) \(-3.456) \(10.05)"
    #expect(html.text == "1 0 2.5 -3.46 10.05")
  }

  @Test func placesOfPhrasesAreFilledOnce() {
    let phrase = Phrase(en: "{1} of {0}", tr: "", ru: "", zh: "")
    #expect(phrase.text(.english, ["{1}", "x{0}"]) == "x{0} of {1}")
  }

  @Test func everyMarkUpToFiftyDiffers() {
    let marks = Set((0..<50).map { "\(Mark($0).colour)/\(Mark($0).shape)" })
    #expect(marks.count == 50)
  }

  @Test func ticksAreRoundAndInside() {
    #expect(LinearScale(0...1, pixels: 0...100).ticks(4) == [0, 0.5, 1])
    #expect(LinearScale(-0.9...1.9, pixels: 0...1).ticks(6) == [-0.5, 0, 0.5, 1, 1.5])
    #expect(LinearScale(3...3, pixels: 0...1).ticks(4) == [3])
  }
}
