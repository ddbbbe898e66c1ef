
$0190e2a4-7b1c-7def-8123-456789abcdef€âÏªÀ©Ó:"adaŠ
p1new
new 