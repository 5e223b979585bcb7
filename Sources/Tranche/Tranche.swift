// Tranche
