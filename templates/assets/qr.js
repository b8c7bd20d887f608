// A QR code of one size, for the tracker's stub: version 6 (41 squares a side),
// level L, bytes, mask 0. One size is all that the address of one ballot needs,
// and a whole library would weigh more than the rest of the screen.
// ISO/IEC 18004; the test compares with another program's codes.

const size = 41;
const data = 68; // bytes in each of the two blocks
const check = 18; // and of the check after it

// capacity is how many bytes fit.
export const capacity = 2 * data - 2;

// The field of 256 numbers, by logarithms, for the check bytes.
const power = [];
const log = [];
for (let i = 0, x = 1; i < 255; i++) {
  power[i] = x;
  log[x] = i;
  x = x < 128 ? x * 2 : (x * 2) ^ 0x11d;
}
const times = (a, b) => (a && b ? power[(log[a] + log[b]) % 255] : 0);

function remainder(block) {
  let divisor = [1];
  for (let i = 0; i < check; i++) {
    const root = power[i];
    divisor = divisor.concat(0).map((c, j) => c ^ (j ? times(divisor[j - 1], root) : 0));
  }
  const rest = block.concat(new Array(check).fill(0));
  block.forEach((_, i) => {
    const lead = rest[i];
    divisor.forEach((c, j) => { rest[i + j] ^= times(c, lead); });
  });
  return rest.slice(block.length);
}

// codewords returns the bytes as the code holds them: mode and length before the
// text, padding after it, the two blocks interleaved, their checks behind them.
function codewords(text) {
  const bits = [];
  const put = (value, width) => { for (let i = width - 1; i >= 0; i--) bits.push((value >> i) & 1); };
  put(4, 4);
  put(text.length, 8);
  text.forEach((b) => put(b, 8));
  put(0, 4);
  const bytes = [];
  for (let i = 0; i < bits.length; i += 8) bytes.push(parseInt(bits.slice(i, i + 8).join(""), 2));
  for (let pad = 0xec; bytes.length < 2 * data; pad ^= 0xec ^ 0x11) bytes.push(pad);
  const blocks = [bytes.slice(0, data), bytes.slice(data)];
  const checks = blocks.map(remainder);
  const out = [];
  for (let i = 0; i < data; i++) out.push(blocks[0][i], blocks[1][i]);
  for (let i = 0; i < check; i++) out.push(checks[0][i], checks[1][i]);
  return out;
}

// frame draws what is the same in every code; null is left for the text.
function frame() {
  const rows = Array.from({ length: size }, () => new Array(size).fill(null));
  const square = (cy, cx, reach, dark) => {
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        if (rows[cy + y] && cx + x >= 0 && cx + x < size) rows[cy + y][cx + x] = dark(Math.max(Math.abs(x), Math.abs(y)));
      }
    }
  };
  for (let i = 0; i < size; i++) rows[6][i] = rows[i][6] = i % 2 ? 0 : 1;
  [[3, 3], [3, size - 4], [size - 4, 3]].forEach(([y, x]) => square(y, x, 4, (d) => (d === 2 || d === 4 ? 0 : 1)));
  square(34, 34, 2, (d) => (d === 1 ? 0 : 1));
  // Level L and mask 0, with their own check.
  const format = 0x77c4;
  const bit = (i) => (format >> i) & 1;
  for (let i = 0; i < 15; i++) {
    rows[i < 6 ? i : i < 8 ? i + 1 : size - 15 + i][8] = bit(i);
    rows[8][i < 8 ? size - 1 - i : i < 9 ? 7 : 14 - i] = bit(i);
  }
  rows[size - 8][8] = 1;
  return rows;
}

// qr returns the code's rows, true for dark, or null for a text that is too long.
export function qr(text) {
  if (text.length > capacity) return null;
  const rows = frame();
  const words = codewords(Array.from(text));
  let n = 0;
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right = 5; // the column of the timing pattern holds no text
    for (let i = 0; i < size; i++) {
      const y = up ? size - 1 - i : i;
      for (const x of [right, right - 1]) {
        if (rows[y][x] !== null) continue;
        const value = n < words.length * 8 ? (words[n >> 3] >> (7 - (n & 7))) & 1 : 0;
        n++;
        rows[y][x] = value ^ ((x + y) % 2 ? 0 : 1);
      }
    }
  }
  return rows.map((row) => row.map(Boolean));
}
