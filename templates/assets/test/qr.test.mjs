import { capacity, qr } from "../qr.js";
import { utf8 } from "../suite.js";
import { same, test } from "./harness.mjs";

// Codes of version 6, level L, mask 0 that rsc.io/qr v0.2.0 made, a row in each
// number, most significant bit first.
const codes = [
  ["https://board.union.example/e/0123456789abcdef0123456789abcdef/box#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", `
1fcb633667f 104fab77b41 1750312665d 174daa7cd5d 174100e0f5d 104700af741 1fd5555557f 0018d9afa00 1dfabeeddc4 0ea014c81c2 005d891c867
088f229be50 04de00003cb 0732aa17389 0fe00c4896b 19b6aedfb02 11519c8f9c7 0a889c0594a 01c14545107 0992edbf920 1bf37593bc9 0a0bffbff89
09cf334514f 11b5d9eafe2 11f6af8fbc8 0bb905055ca 16e4985546b 1fa523bab58 084e20d11d9 0e12aad9303 144c80c44cb 0b16ae8f983 13f5cdacbfe
00158d0d91e 1fdd4548753 1050df8fd19 175155531f1 174f7f9bfbb 175fbbdd61f 1051d9c8f92 1fdfaf8dbe7`],
  ["short", `
1fc2ccccc7f 104c4444441 175beeeee5d 174bddddd5d 174f555555d 104fbbbbb41 1fd5555557f 001aeeeee00 1dfb44444c4 1aa4eeeee96 0860444448a
0e94eeeeed3 014155555ba 0b3377777ab 06ffbbbbb7f 0485111112a 17e3333337c 08af3333328 16e3bbbbb71 191d1111120 034a2222259 00beaaaaa17
02684444483 0f82eeeeed5 18784444495 0422eeeee92 025c4444486 0086eeeeedb 0bed55555b6 091f77777a9 10e3bbbbb7f 0a091111128 16f333333ff
001f3333314 1fdfbbbb951 105d1111114 175a22223f5 1746aaaab86 175c44446d1 1056eeeec86 1fd444445d7`],
];

const asNumber = (row) => parseInt(row.map((dark) => (dark ? "1" : "0")).join(""), 2).toString(16).padStart(11, "0");

test("codes are those of another program", () => {
  for (const [text, rows] of codes) {
    same(qr(utf8(text)).map(asNumber), rows.trim().split(/\s+/), text);
  }
});

test("what is too long is refused", () => {
  same(qr(new Uint8Array(capacity)).length, 41, "as much as fits");
  same(qr(new Uint8Array(capacity + 1)), null, "one more");
});
