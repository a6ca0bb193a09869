// The page's words, and the table's help, in Chinese.

export const WORDS = {};
export const HELP = {};
