
$0190e2a4-7b1c-7def-8123-456789abcdef€âÏªÀ©Ó:"ada‚4
,~94Av2a1MzZHyjjsyY8MdoMnZcss33rABRDmWMMeunPwonce