extension Page {
  /// The table of candidates, and how the chosen one's tenths came out.
  var forecastSection: Section? {
    guard let forecast = content.forecast, !forecast.candidates.isEmpty else { return nil }
    let rows = forecast.candidates.map { candidate -> HTML in
      let chosen: HTML = " <b>\(say(.forecastChosen))</b>"
      let forDays: HTML? = candidate.name == forecast.chosen ? chosen : nil
      let forAmounts: HTML? = candidate.name == forecast.chosenForAmounts ? chosen : nil
      return """
        <tr><th scope="row">\(candidate.name)</th><td>\(
          numbers.decimal(candidate.daysError, 3))\(forDays)</td><td>\(
          numbers.decimal(candidate.amountError, 2))\(forAmounts)</td><td>\(
          candidate.totalError.map { numbers.signedPercent($0) } ?? "–")</td><td>\(
          candidate.gini.map { numbers.decimal($0, 3) } ?? "–")</td><td>\(
          candidate.topDecile.map { numbers.percent($0) } ?? "–")</td></tr>

        """
    }
    let concentration: HTML? = forecast.concentration.map {
      """
      <p>\(say(.forecastConcentration, numbers.decimal($0.gini, 3), numbers.percent($0.topFifth)))</p>
      """
    }
    return Section(
      id: "forecast", title: say(.forecast),
      note: say(
        .forecastNote, numbers.count(forecast.holdoutDays), numbers.count(forecast.customers)),
      body: """
        <div class="wide"><table class="plain"><thead><tr><th scope="col">\(
          say(.forecastMethod))</th><th scope="col">\(say(.forecastDays))</th><th scope="col">\(
          say(.forecastAmounts))</th><th scope="col">\(say(.forecastTotal))</th><th scope="col">\(
          say(.forecastOrder))</th><th scope="col">\(say(.forecastTop))</th></tr></thead><tbody>
        \(rows)</tbody></table></div>
        \(concentration)<div class="beside">\(tenths(
          forecast.calibration, .forecastExpected, .forecastHappened) { numbers.decimal($0, 2) })\(
          tenths(forecast.churn, .forecastRisk, .forecastGone) { numbers.percent($0) })</div>\(
          groups(forecast.groups))
        """)
  }

  private func groups(_ groups: [ReportContent.Forecast.Group]) -> HTML? {
    guard !groups.isEmpty else { return nil }
    let rows = groups.map { group -> HTML in
      """
      <tr><th scope="row">\(group.name)</th><td>\(numbers.count(group.customers))</td><td>\(
        group.chosen ?? say(.forecastOfBase))</td><td>\(
        group.daysError.map { numbers.decimal($0, 3) } ?? "–")</td><td>\(
        group.amountError.map { numbers.decimal($0, 2) } ?? "–")</td></tr>

      """
    }
    return """
      <div class="wide"><table class="plain"><thead><tr><th scope="col">\(
        say(.forecastGroup))</th><th scope="col">\(say(.forecastCustomers))</th><th scope="col">\(
        say(.forecastMethod))</th><th scope="col">\(say(.forecastDays))</th><th scope="col">\(
        say(.forecastAmounts))</th></tr></thead><tbody>
      \(rows)</tbody></table></div>
      """
  }

  private func tenths(
    _ tenths: [ReportContent.Forecast.Tenth], _ expected: Phrase, _ actual: Phrase,
    _ text: (Double) -> String
  ) -> HTML? {
    guard !tenths.isEmpty else { return nil }
    let rows = tenths.enumerated().map { place, tenth -> HTML in
      """
      <tr><th scope="row">\(place + 1)</th><td>\(text(tenth.predicted))</td><td>\(
        text(tenth.actual))</td></tr>
      """
    }
    return """
      <table class="plain"><thead><tr><th scope="col">\(say(.forecastTenth))</th><th scope="col">\(
        say(expected))</th><th scope="col">\(say(actual))</th></tr></thead><tbody>\(
        rows)</tbody></table>
      """
  }
}
