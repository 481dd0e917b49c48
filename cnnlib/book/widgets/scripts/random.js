// numpy.random.default_rng(seed): the same numbers, so that a training in the page is the one that
// Python makes with this seed. PCG64 with NumPy's way of seeding, shuffling and drawing normals.

import { range } from "./sums.js";

const [WORD, DOUBLE_WORD] = [64, 128];
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

const low = (value) => BigInt.asUintN(WORD, value);
const xorshift = (value) => (value ^ (value >>> 16)) >>> 0;

// Eight words of 32 bits from a seed below 2**32 (numpy.random.SeedSequence).
function seedWords(seed) {
  let factor = 0x43b0d7e5;
  const hashed = (value) => {
    const mixed = (value ^ factor) >>> 0;
    factor = Math.imul(factor, 0x931e8875) >>> 0;
    return xorshift(Math.imul(mixed, factor) >>> 0);
  };
  const pool = range(4).map((n) => hashed(n ? 0 : seed));
  range(4).forEach((from) => range(4).forEach((to) => {
    if (from === to) return;
    const mixed = Math.imul(pool[to], 0xca01f9dd) - Math.imul(hashed(pool[from]), 0x4973f715);
    pool[to] = xorshift(mixed >>> 0);
  }));
  factor = 0x8b51f9dd;
  return range(8).map((n) => {
    const mixed = (pool[n % 4] ^ factor) >>> 0;
    factor = Math.imul(factor, 0x58f38ded) >>> 0;
    return xorshift(Math.imul(mixed, factor) >>> 0);
  });
}

// The ziggurat of the normal distribution (G. Marsaglia and W. W. Tsang, 2000): 256 layers of the
// same area. Layer m is width[m] wide, and the density is height[m] at its edge.
const EDGE = 3.6541528853610088;
const UNIT = 2 ** -52;
const BASE = 8.68362706080130616677e-16 / UNIT; // the width of the lowest layer, with its tail

function layersOfNormal() {
  const height = Array(256).fill(1);
  const width = Array(256).fill(BASE);
  const area = BASE * Math.exp(-0.5 * EDGE ** 2);
  let edge = EDGE;
  for (let m = 255; m > 0; m--) {
    height[m] = Math.exp(-0.5 * edge ** 2);
    width[m] = edge;
    edge = Math.sqrt(-2 * Math.log(area / edge + height[m]));
  }
  return { height, width };
}

export class Random {
  constructor(seed) {
    const words = seedWords(seed).map(BigInt);
    const [a, b, c, d] = range(4).map((n) => words[2 * n] | (words[2 * n + 1] << 32n));
    this.increment = BigInt.asUintN(DOUBLE_WORD, (((c << 64n) | d) << 1n) | 1n);
    this.state = this.increment + ((a << 64n) | b);
    this.step();
    this.half = -1; // of a word whose other half was given
    this.layers = layersOfNormal();
  }

  step() {
    this.state = BigInt.asUintN(DOUBLE_WORD, this.state * MULTIPLIER + this.increment);
  }

  word() {
    this.step();
    const mixed = low(this.state >> 64n) ^ low(this.state);
    const turn = this.state >> 122n;
    return low((mixed >> turn) | (mixed << (64n - turn)));
  }

  halfWord() {
    if (this.half >= 0) {
      const half = this.half;
      this.half = -1;
      return half;
    }
    const word = this.word();
    this.half = Number(word >> 32n);
    return Number(word & 0xffffffffn);
  }

  uniform() {
    return Number(this.word() >> 11n) / 2 ** 53;
  }

  normal() {
    const { height, width } = this.layers;
    for (;;) {
      const word = this.word();
      const layer = Number(word & 0xffn);
      const sign = word & 0x100n ? -1 : 1;
      const place = Number((word >> 9n) & 0xfffffffffffffn);
      const x = place * UNIT * width[layer];
      const inner = layer === 0 ? EDGE : layer === 1 ? 0 : width[layer - 1];
      if (x < inner) return sign * x;
      if (layer === 0) return this.tail(place);
      const share = (height[layer - 1] - height[layer]) * this.uniform() + height[layer];
      if (share < Math.exp(-0.5 * x * x)) return sign * x;
    }
  }

  tail(place) {
    for (;;) {
      const far = -Math.log1p(-this.uniform()) / EDGE;
      const high = -Math.log1p(-this.uniform());
      if (2 * high > far * far) return ((place >> 8) & 1 ? -1 : 1) * (EDGE + far);
    }
  }

  // 0 to count - 1, shuffled.
  permutation(count) {
    const order = range(count);
    for (let n = count - 1; n > 0; n--) {
      const mask = 2 ** (32 - Math.clz32(n)) - 1;
      let other = n + 1;
      while (other > n) other = (this.halfWord() & mask) >>> 0;
      [order[n], order[other]] = [order[other], order[n]];
    }
    return order;
  }
}
