"""Hard corners of the buy-till-you-die models at high precision, from the published formulas.

python3 buy_till_you_die.py > buy_till_you_die.json      (needs mpmath; about a minute)

Formulas: BG/NBD: Fader, Hardie & Lee 2005, (6) and (10); MBG/NBD: Batislam et al. 2007, by the same
steps; Pareto/NBD: Fader & Hardie 2005, "A note on deriving the Pareto/NBD model", (18)-(22), (41);
Gamma-Gamma: Fader & Hardie 2013, (1a), (5). Removable singularities (a = 1, s = 1) are stepped over
by 1e-60 at 200 digits, which leaves more than 50 of them.
"""
import json
from mpmath import mp, mpf, gamma, loggamma, hyp2f1, beta, log, exp, log1p

mp.dps = 200
STEP = mpf(10) ** -60


def bg_log_likelihood(v, r, al, a, b, x, tx, T):
    n = x + (v == "mbg-nbd")
    base = loggamma(r + x) - loggamma(r) + r * log(al)
    alive = (loggamma(b + n) + loggamma(a + b) - loggamma(a + b + n) - loggamma(b)
             - (r + x) * log(al + T))
    if n == 0:
        return base + alive, mpf(1)
    dead = (loggamma(a + 1) + loggamma(b + n - 1) - loggamma(a + b + n) + loggamma(a + b)
            - loggamma(a) - loggamma(b) - (r + x) * log(al + tx))
    top = max(alive, dead)
    return base + top + log(exp(alive - top) + exp(dead - top)), 1 / (1 + exp(dead - alive))


def bg_if_alive(v, r, al, a, b, x, T, t):
    if a == 1:
        a = a + STEP
    n = x + (v == "mbg-nbd")
    R, B, z = r + x, b + n, t / (al + T + t)
    F = hyp2f1(R, B, a + B - 1, z)
    return (a + B - 1) / (a - 1) * (1 - ((al + T) / (al + T + t)) ** R * F)


def pareto_log_likelihood(r, al, s, be, x, tx, T):
    R = r + x
    g, c = abs(al - be), max(al, be)
    p = s + 1 if al >= be else R
    def F(tau):
        return hyp2f1(R + s, p, R + s + 1, g / (c + tau)) / (c + tau) ** (R + s)
    A0 = F(tx) - F(T)
    alive = (al + T) ** -R * (be + T) ** -s
    dead = s / (R + s) * A0
    L = loggamma(R) - loggamma(r) + r * log(al) + s * log(be) + log(alive + dead)
    return L, alive / (alive + dead)


def pareto_if_alive(r, al, s, be, x, T, t):
    if s == 1:
        s = s + STEP
    return ((r + x) * (be + T) / ((al + T) * (s - 1))
            * (1 - ((be + T) / (be + T + t)) ** (s - 1)))


def discounted(if_alive, months, rate):
    ends = [mpf(k) * mpf("365.25") / 12 / 7 for k in range(1, months + 1)]
    total, before = mpf(0), mpf(0)
    for k, end in enumerate(ends, 1):
        now = if_alive(end)
        total += (now - before) / (1 + rate) ** k
        before = now
    return total


def numbers(values):
    # Doubles exactly as Swift reads them: the arguments, not decimals near them.
    return [mpf(float(value)) for value in values]


cases = []
histories = [
    # x, t_x, T
    (0, 0, 0), (0, 0, 39), (1, 0.5, 39), (1, 39, 39), (2, 30.43, 38.86), (7, 3, 50),
    (30, 20, 52), (30, 52, 52), (300, 104, 104.5), (1500, 519, 520), (1500, 520, 520),
    (1500, 100, 103), (4000, 51, 52),
]
shapes = [
    (0.243, 4.414, 0.793, 2.426), (0.2, 4, 0.05, 0.3), (0.5, 2, 1, 2.5), (0.5, 2, 1, 0.2),
    (0.25, 4, 1e-6, 1), (0.25, 4, 1e-3, 5e-3), (3, 1, 0.999999, 1.5), (2, 0.1, 1.000001, 3),
    (1.5, 10, 2, 0.4), (20, 3, 40, 300), (900, 2000, 0.8, 2),
]
for v in ["bg-nbd", "mbg-nbd"]:
    for i, shape in enumerate(shapes):
        for j, history in enumerate(histories):
            r, al, a, b = numbers(shape)
            x, tx, T = numbers(history)
            horizon = mpf(float([1, 39, 521.75][(i + j) % 3]))
            L, alive = bg_log_likelihood(v, r, al, a, b, x, tx, T)
            E = bg_if_alive(v, r, al, a, b, x, T, horizon)
            cases.append(dict(model=v, parameters=list(map(float, shape)), x=int(x), t_x=float(tx),
                              T=float(T), horizon=float(horizon), log_likelihood=float(L),
                              p_alive=float(alive), if_alive=float(E), expected=float(alive * E)))
pareto = [
    (0.553, 10.578, 0.606, 11.669), (0.5, 5, 1, 5), (0.2, 0.1, 0.05, 60), (0.2, 60, 0.05, 0.1),
    (3, 1, 1.000001, 7), (2, 10, 8, 100), (0.25, 4, 1e-6, 10), (40, 30, 0.3, 2),
]
for i, shape in enumerate(pareto):
    for j, history in enumerate(histories):
        r, al, s, be = numbers(shape)
        x, tx, T = numbers(history)
        horizon = mpf(float([1, 39, 521.75][(i + j) % 3]))
        L, alive = pareto_log_likelihood(r, al, s, be, x, tx, T)
        E = pareto_if_alive(r, al, s, be, x, T, horizon)
        cases.append(dict(model="pareto-nbd", parameters=list(map(float, shape)), x=int(x),
                          t_x=float(tx), T=float(T), horizon=float(horizon),
                          log_likelihood=float(L), p_alive=float(alive), if_alive=float(E),
                          expected=float(alive * E)))

population = []
for t in [1, 32, 78, 521.75]:
    for i, shape in enumerate(shapes):
        p = numbers(shape)
        for v in ["bg-nbd", "mbg-nbd"]:
            E = bg_if_alive(v, *p, mpf(0), mpf(0), mpf(t))
            if v == "mbg-nbd":
                E = E * p[3] / (p[2] + p[3])
            population.append(dict(model=v, parameters=list(map(float, shape)), t=t,
                                   expected=float(E)))
    for shape in pareto:
        E = pareto_if_alive(*numbers(shape), mpf(0), mpf(0), mpf(t))
        population.append(dict(model="pareto-nbd", parameters=list(map(float, shape)), t=t,
                               expected=float(E)))

value = []
for x, tx, T, m in [(0, 0, 39, 0), (2, 30.43, 38.86, 22.35), (9, 37, 38, 101.5)]:
    p = numbers(shapes[0])
    P, Q, G = numbers((6.25, 3.74, 15.44))
    X, TX, TT, M = numbers((x, tx, T, m))
    _, alive = bg_log_likelihood("bg-nbd", *p, X, TX, TT)
    spend = P * (G + X * M) / (P * X + Q - 1)
    total = discounted(lambda t: bg_if_alive("bg-nbd", *p, X, TT, t), 12, mpf(float(0.01)))
    value.append(dict(x=x, t_x=tx, T=T, m=m, spend=float(spend), clv=float(alive * total * spend)))

spend = []
for p, q, g, x, m in [(6.25, 3.74, 15.44, 2, 22.35), (6.25, 3.74, 15.44, 1500, 7.5),
                      (0.01, 0.5, 3, 1, 1e-3), (800, 2, 0.05, 3, 1e6), (1e-4, 30, 200, 40, 12)]:
    P, Q, G, X, M = numbers((p, q, g, x, m))
    L = (loggamma(P * X + Q) - loggamma(P * X) - loggamma(Q) + Q * log(G) + (P * X - 1) * log(M)
         + P * X * log(X) - (P * X + Q) * log(G + M * X))
    spend.append(dict(p=p, q=q, gamma=g, x=x, m=m, log_likelihood=float(L)))

functions = []
for z in [1e-9, 0.01, 0.3, 1, 1.4616, 2, 7.5, 11.99, 12, 40, 1500, 1e6]:
    Z = mpf(float(z))
    functions.append(dict(z=z, log=float(loggamma(Z)), digamma=float(mp.digamma(Z)),
                          trigamma=float(mp.polygamma(1, Z))))
rising = []
for z in [1e-6, 0.243, 2.426, 30.7, 1e6]:
    for n in [0, 1, 5, 16, 17, 300, 1500, 100000]:
        Z = mpf(float(z))
        rising.append(dict(z=z, n=n, log=float(loggamma(Z + n) - loggamma(Z)),
                           first=float(mp.digamma(Z + n) - mp.digamma(Z)),
                           second=float(mp.polygamma(1, Z + n) - mp.polygamma(1, Z))))
print(json.dumps(dict(cases=cases, population=population, value=value, spend=spend,
                      gamma=functions, rising=rising), indent=0))
