"""Common words, so that a name can be told from the words around it: our own compilation, English and office talk.

A word that is missing here costs one needless look into the directory; a name that stands here is still found where a
phrase expects a name.
"""

from bot.sentences import stem

_ENGLISH = """
a able about above abroad absence absent absolute absolutely accept acceptable access accident accidental accidentally
accord according account accurate achieve across act action active activity actual actually ad adapt add addition
additional address adjust administration admit adult advance advice advise affair affect afford afraid after afternoon
afterwards again against age ago agree agreement ah ahead aim air alert alike alive all allow almost alone along
alongside already alright also alternative although altogether always am amazing among amount an analyse analysis
ancient and angry animal announce annoying annual another answer anticipate any anybody anyhow anymore anyone anything
anyway anyways anywhere apart apologies apologise apology apparent apparently appear appearance apply appoint
appointment appreciate approach appropriate approval approve approximately april are area arise arm around arrange
arrangement arrival arrive arrived article as aside ask asked asking asleep aspect assign assist assistance associate
assume assumed assumption at attach attached attack attempt attend attention audience august author authority
automatic automatically autumn available average avoid await awake aware away awful awkward baby back backlog backward
backwards bad badly bag ball band bank bar barely base based basic basically basis bear beat became because become
been before began begin beginning begun behave behaviour behavior behind being belief believe belong below beneath
beside besides best bet better between beyond big bigger biggest bill bind birth birthday bit bite bits bizarre blame
blank block blood blow blue board boat body bonus book boot border bore boring born borrow boss both bother bottom
bought bound box boy branch brand break breakfast breaking breath brief briefly bright bring brother brought budget
bug build building built bunch burn bus business busy but button buy by bye call called calling calm came camera camp
can cancel cannot capable capacity capital captain capture car card care career careful carefully carry case cash cat
catch category caught cause caution cease celebrate central centre center century ceo certain certainly chain chair
challenge chance change channel chapter character charge chart chase chat cheap check checked cheers chief child
children choice choose chose chosen circle citizen city civil claim clarify clash class classic clean cleaned cleanup
clear cleared clearly clever click client climb clock close closed closely clothes club clue coach code coffee
coincidence cold collapse colleague collect collection college colour color column combine combination come comes
coming comment commercial commit committee common communicate communication community company compare comparison
competition complain complaint complete completed completely complex complicated component compose comprehensive
concentrate concept concern concerned conclude conclusion condition conduct conference confident confirm confirmed
conflict confuse confused confusing confusion connect connected connection consequence consider considerable consist
consistent constant constantly construct contact contain content contents context continue continually continuous
continuously contract contractor contrast contribute control convenient conversation convert convince cook cool
cooperate coordinate cope copied copy core corner correct corrected correctly correspond cost could council count
counter country couple courage course court cover covered crack crap crash crazy create created creation creature
credit crew crime crisis criteria critical cross crowd crucial cry culture cup cure curious current currently custom
customer cut cycle daily damage damn dance danger dangerous dare dark data database date daughter day days dead
deadline deal dealt dear death debate debt decade december decide decided decision declare decline decrease deep
deeply defect defend define definite definitely definition degree delay delayed delegate delete deliver delivery
demand demo deny depart department departure depend dependent deploy depth describe described description deserve
design desire desk desperate desperately despite destroy detail detailed details detect determine develop developer
development device dial did die died differ difference different differently difficult difficulty dig digit dinner
direct direction directly director dirty disable disappear disappeared disappointed discover discovered discuss
discussion disease dismiss display distance distinct distribute district disturb dive divide division do doctor
document does dog doing dollar done door dot double doubt down downgrade download dozen draft drag drama draw drawn
dream dress drink drive driven driver drop dropped dry due dug dumb dump duplicate during dust duty each eager ear
earlier earliest early earn earth ease easier easiest easily east eastern easy eat economy edge edit edited edition
editor educate education effect effective effectively efficient effort eg eight eighteen eighth eighty either elect
election electric element eleven eliminate else elsewhere embarrassing emerge emergency emphasis employ employee
employer employment empty enable encounter encourage end ended ending endless enemy energy engage engine engineer
enjoy enormous enough ensure enter entered entire entirely entitle entrance entry environment equal equally equipment
error errors escalate escalated escape especially essential establish estate estimate etc europe evaluate even evening
event eventually ever every everybody everyday everyone everything everywhere evidence evident evil exact exactly exam
examine example examples exceed excellent except exception excerpt exchange excited exclude excuse execute exercise
exist existed existence existing exists expand expect expected expensive experience experiment expert expire explain
explained explanation explore export expose express extend extended extension extent external extra extraordinary
extreme extremely eye face facility fact factor factory fail failed failing failure fair fairly faith fall fallen
false familiar family famous fancy far farm fashion fast faster fat fatal father fault faulty favor favour favourite
fear feature february fed fee feed feedback feel feeling fees feet fell fellow felt female few fewer field fifteen
fifth fifty fight figure file fill film filter final finally finance financial find finding fine finger finish
finished fire firm first firstly fish fit five fix fixed flag flat flight flip flipping floor flow fly focus folder
folk folks follow followed following follows food fool foot for force forced forecast foreign forever forget forgot
forgotten form formal former formerly forth fortnight fortunately forty forward forwards found foundation four
fourteen fourth frame framework free freedom freeze frequent frequently fresh friday friend friendly from front frozen
fruit frustrated frustrating fulfil full fully fun function fund fundamental funny further furthermore future gain
game gap garden gas gather gave general generally generate generation gentle gentleman genuine get gets getting giant
gift girl give given gives giving glad glance glass global go goal god goes going gold gone good goods got gotten
government grab grade gradual gradually graduate grand grant graph grass grateful gray great green grey ground group
grow growing grown growth guarantee guard guess guest guidance guide guilty guy guys habit had hair half halfway hall
hand handed handful handle handled handling hang hanging hangs happen happened happening happens happily happy hard
hardly harm has hassle hat hate have having he head headache heading health healthy hear heard heart heat heavily
heavy height held hell hello help helped helpful helping helps hence her here hers herself hesitate hey hi hidden hide
high higher highest highlight highly him himself hint hire hired his history hit hits hold holder holding hole holiday
holidays home honest honestly hope hoped hopefully hoping horrible horse hospital hot hotel hour hours house how
however hr huge human hundred hundreds hung hungry hunt hurry hurt husband ice idea ideal ideally ideas identical
identify identity ie if ignore ignored ill illegal image imagine immediate immediately impact implement import
importance important impossible impression improve improvement in inch incident include included includes including
income incoming incomplete incorrect incorrectly increase incredible incredibly indeed independent index indicate
indicates individual industry inevitable inform information initial initially input inquiry inside insist inspect
install installation installed instance instant instead institute institution instruction instructions instrument
insurance intend intended intention interest interested interesting interim intermittent intermittently internal
international internet interrupt interval interview into introduce invalid investigate investigated investigation
invitation invite involve involved is island isolate issue issued issues it item items its itself january job join
joined joiner joiners joining joint joke journey judge july jump june junior just justify keen keep keeping keeps kept
key keyboard kick kid kids kill kind kinda kindly king kitchen knew knock know knowing knowledge known knows label
labour lack lacking lady laid lake land language large largely larger last lasted lasting lastly late lately later
latest latter laugh launch law lawyer lay layer lazy lead leader leading leads learn learned learning least leave
leaver leavers leaves leaving led left leg legal legally legitimate lend length less lesson let lets letter level
library licence license lie life lift light like liked likely limit limited line link linked lion list listed listen
listing literally literature little live lived living load loads local locate located location lock locked long longer
look looked looking looks loop loose lord lose loss lost lot lots loud love lovely low lower lowest luck luckily lucky
lunch machine mad made magic magically mail main mainly maintain maintenance major majority make maker makes making
male man manage managed management manager manual manually many map march mark market marriage married marry mass
massive master match matched matching material matter matters maximum may maybe me meal mean meaning means meant
meantime meanwhile measure measures media medical medium meet meeting member members membership memory men mention
mentioned menu mere merely merge merged mess message messages messed messy met metal method mid middle midnight might
migrate migrated migration mile military milk million mind mine minimum minor minus minute minutes miracle mirror miss
missed missing mission mistake mistaken mix mixed mobile mode model modern modest modify moment monday money monitor
month monthly months mood moon more moreover morning most mostly mother motion mount mouth move moved movement moves
moving much multiple murder music must mute my myself mystery name named names narrow nasty nation national native
natural naturally nature near nearby nearly neat necessarily necessary need needed needing needs negative neighbour
neither nervous net network never nevertheless new newbie newcomer newest newly news next nice night nights nine
nineteen ninety no nobody noise non none nonetheless nonsense noon nope nor normal normally north northern not note
noted notes nothing notice noticed notification notify november now nowhere nuclear null number numbers numerous nurse
obey object objection objects obtain obvious obviously occasion occasional occasionally occur occurred occurring
occurs october odd oddly of off offer office officer official often oh oil ok okay old older oldest on once one ones
ongoing online only onto open opened opening opens operate operation operator opinion opportunity oppose opposite
option options or orange order ordered orders ordinary organisation organization organise organize origin original
originally other others otherwise ought our ours ourselves out outcome outdated outlet output outside outstanding over
overall overdue overnight own owned owner pack package page paid pain pair panic paper parallel pardon parent park
part partial partially particular particularly partly partner parts party pass passed passes passing past paste pasted
patch patched path patience patient pattern pause paused pay payment payroll peace peak pen pending people per perfect
perfectly perform performance perhaps period permanent permanently permission permissions permit persist persists
person personal personally perspective phase phone photo phrase physical pick picked picking picks picture piece
pieces pilot pin pink pipe pity place placed places plain plan plane planned plant plate play player please pleased
plenty plus pocket point pointed pointing points police policy polite political pool poor poorly pop popular
population port position positive possibility possible possibly post posted potential potentially pound power powerful
practical practically practice practise precise precisely prefer preferred prepare prepared presence present
presentation preserve president press pressed pressing pressure presumably presume pretend pretty prevent prevents
previous previously price primarily primary prime principal principle print printer prior priority private privilege
pro probable probably problem problematic problems procedure proceed process processed processing produce product
production professional professor profile profit program programme progress project promise promised promote promoted
promotion proof proper properly property proposal propose protect protection proud prove proved proven provide
provided provider provides public publish pull purchase pure purely purple purpose push pushed put puts putting puzzle
puzzled puzzling quality quantity quarter queen query question questions queue quick quicker quickly quiet quit quite
quote race radio rain raise raised ran random randomly range rank rapid rapidly rare rarely rate rather ratio raw
reach reached react reaction read reading ready real realise realize reality really reappear reason reasonable
reasonably reasons reassign reboot rebooted rebuild rebuilt recall receive received receives recent recently reception
recheck recognise recognize recommend record recorded recover recovery recreate recreated recruit recruited red redo
reduce reduced refer reference reflect refresh refuse refused refuses regard regarding regardless regards region
regional register registered regret regular regularly rehire rehired reject rejected rejects relate related relation
relationship relative relatively relax release released relevant reliable relief religion rely remain remained
remaining remains remark remarkable remember remind remote remotely removal remove removed rename renamed rent repair
repeat repeated repeatedly replace replaced replacement reply report reported reporting reports represent request
requested require required requirement requires research reset resolve resolved resource resources respect respond
response responsibility responsible rest restart restarted restore restored restrict result resulted results resume
retire retired retry return returned returning returns reveal reverse revert reverted review revoke rid ride right
rights ring rise risk road rock role roles roll rolled rollout room root rough roughly round route routine row rubbish
rude ruin rule rules run running runs rush sad sadly safe safely safety said sake sale sales same sample sat satisfied
satisfy saturday save saved saw say saying says scale scan scare scenario scene schedule scheduled scheme school
science scope score scratch scream screen screenshot script sea search searched season seat second secondly seconds
secret secretary section sector secure security see seeing seek seem seemed seemingly seems seen sees segment seldom
select selected selection self sell send sender sends senior sense sensible sensitive sent sentence separate
separately september sequence series serious seriously serve served service session set sets setting settings settle
setup seven seventeen seventh seventy several severe shake shall shame shape share shared she sheet shift ship shit
shock shoot shop short shortly shot should shoulder shout shouting show showed showing shown shows shut shutdown sick
side sigh sight sign signal signed significant significantly silence silent silly similar similarly simple simplest
simply simultaneously since sincerely single sir sister sit site sites sits sitting situation six sixteen sixth sixty
size skill skin skip skipped sky sleep slept slight slightly slot slow slower slowly small smaller smart smell smile
smooth smoothly snap so social society soft software soil sold solid solution solve solved some somebody someday
somehow someone something sometime sometimes somewhat somewhere son song soon sooner sorry sort sorted sound sounds
source south southern space spare speak special specialist specific specifically specified spectrum speech speed spell
spelled spelling spelt spend spent split spoke spoken spontaneously sport spot spotted spread spring square staff
stage staged stand standard standing stands star stare start started starter starters starting starts state stated
statement states station stay stayed staying stays steady steal step steps stick sticks still stock stolen stone stood
stop stopped stopping stops storage store storm story straight straightforward strange strangely stranger strategy
stream street strength stress strict strictly strike string strong strongly structure struggle struggling stuck
student students studio study stuff stupid style subject submit subsequent subsequently substantial succeed succeeded
success successful successfully such sudden suddenly suffer suffered suffering suffers sufficient sugar suggest
suggested suggestion suggestions suggests suit suitable summer sun sunday super supervisor supplied supplier supply
support supported suppose supposed supposedly sure surely surface surprise surprised surprising surprisingly surround
survey survive suspect suspected suspend suspended suspicion suspicious swear switch switched symptom symptoms
synchronous system systems table tag take taken takes taking tale talk talked talking tall tank tap tape target task
tasks taught tax tea teach teacher team teams tear technical technically technician technique technology telephone
tell telling tells temp temporarily temporary ten tend tends term terminate terminated terms terrible terribly test
tested testing tests text than thank thankfully thanks that thats the theatre their them theme themselves then theory
there thereafter therefore these they thick thin thing things think thinking thinks third thirteen thirty this
thorough thoroughly those though thought thousand thousands thread threat three threshold threw through throughout
throw thrown throws thursday thus tick ticked ticket tickets ticks tidy tie tied tight till time timed timer times
timing tiny tip tired title to today together told tomorrow ton tone tonight too took tool tools top topic total
totally touch touched tough tour toward towards town track trade tradition traffic train trainee trainees training
transfer transferred transform transition translate transport trap travel tree trend trial tricky tried tries trigger
triggered triggers trip trivial trouble truck true truly trust truth try trying tuesday turn turned turns twelve
twenty twice twin twins two type typed types typical typically typo ugly ultimate ultimately unable unaffected
unavailable unaware unchanged unclear under underneath understand understanding understood undo unexpected
unexpectedly unfortunate unfortunately unhappy union unique unit unite units university unknown unless unlike unlikely
unlock unlocked until unusual up upcoming update updated updates updating upgrade upgraded upon upper upset upside
urgent urgently us usage use used useful useless user username users uses using usual usually utterly vacation vain
valid validate valuable value values vanish vanished variation variety various vary vast vendor verify version versus
very via victim video view vip virtual virtually visible visibly vision visit visitor visual vital voice volume vote
wait waited waiting waits wake walk wall wander want wanted wanting wants war warm warn warning warnings was wasnt
waste wasted wasting watch watched watching water way ways we weak wear weather web website wednesday week weekend
weekly weeks weigh weight weird weirdly welcome well went were west western wet what whatever whats wheel when
whenever where whereas whereby wherever whether which whichever while whilst white who whoever whole wholly whom whose
why wide widely wife wild will willing win wind window winter wipe wiped wire wise wish with withdraw within without
wizard woke woman women won wonder wondered wonderful wondering wont wood word words work workaround worked worker
workers working workplace works workshop world worried worries worry worse worst worth worthwhile would wow wrap write
writes writing written wrong wrongly wrote yeah year yearly years yell yellow yep yes yesterday yet you young younger
your yours yourself yup zero zone
"""
_OFFICE = """
computer computers printer printers intern interns apprentice apprentices external externals freelancer freelancers
consultant consultants pupil pupils faculty alumni volunteer volunteers re non un pre co de auto multi sub self semi
aad aadconnect aadc acl active-directory actively adconnect admincenter admincentre admin admins administrator adfs
adsi adsiedit aduc adsync adws agent agents alias aliases anchor antivirus apex api app appid apps archive assert
async attribute attributes audit auth authenticate authentication authorisation authorization autodiscover autoupdate
avd aws azure azuread backend backup backups bandwidth bastion baseline beta bios bitlocker blade bluescreen bot
breach browser build byod cache cached capslock ca cas cert certificate certificates certs chrome cio cis cisco citrix
ciso cli cloud cloudsync cluster cmd cmdlet cmdlets cname cn collab compliance config configs configuration configure
configured connector connectors console container containers contacts contoso cookie corp cpu crashes credential
credentials crowdstrike crl cron csp csv cto cursor cutover dashboard datacenter datacentre dba dbs dc dcs
decommission decommissioned default defaults defender delegation delta deletion deletions dev devops dhcp directory
dirsync disabled disk distro dl dll dls dmz dn dns docker docs domain domains dotnet downtime dsa dsregcmd edge edr
email emails encryption endpoint endpoints entra entraid epo escrow esx esxi eventlog eventviewer eventvwr excel exe
exo explorer export exports extranet failover fiddler filesystem filters firefox firewall firewalled firewalls
firmware folders forest forests fortigate fortinet fqdn freshservice fsmo ftp fyi gal gateway gc gcs gmail gmsa google
gpo gpos gpresult gpupdate gpt grc guid guids gui hacked hardcoded hardware hash hashes hdd helpdesk hostname hosts
hotfix hotmail html http https hybrid hyper-v hyperv iam icon iis imap immutableid inbox info infra inode intranet
intune io ios ip iphone ipad ipsec ipv4 ipv6 isp iso itsm itunes java jira job jobs jpg json jumpbox jumphost kb kbs
kds kerberos kernel kpi kql krbtgt laptop laptops laps latency ldap ldaps ldp libre licenses licensing linux log
logfile logfiles logged logging login logins logoff logon logons logs lookup lsass lts mac macos mailbox mailboxes
mailflow mailuser malware mapping mappings mdm memcached metadata metaverse mfa microsoft middleware mim mitm msa msal
msdn mso msol msoldomain msonline msp mssp mtu namespace nat ncsi netlogon netsh netstat newtonsoft nic nics nltest
node nodes notebook notepad ntfs ntlm ntp nxdomain o365 oauth objectguid objectid objectsid offboard offboarded
offboarding office365 offline okta onboard onboarded onboarding ondemand onedrive onenote onmicrosoft onprem onpremise
onpremises ops oracle os oss ou ous outage outages outbound outlook overlap override owa packet packets paloalto param
params password passwords passwd patchday patches patching payload pc pcs pdf permissions phish phs pim ping pings pki
png pod policies portal portals powerbi powershell prod profiles prompt prompts provision provisioned provisioner
provisioning proxied proxies proxy pta ptr purview pwd pw qa quarantine quarantined queue ram rbac rds rdp redirect
redirects reg regedit registry rejoin reimage reinstall reinstalled relay relays replica replicate replicated
replicates replication repo resync resynced resyncing rfc rhel rodc rollback router routing rsat saas sam
samaccountname saml sap sas sccm scim scoped scoping sdk selfservice sentinel serial server servers servicebus
servicenow session sftp sharepoint sid sids siem signin sign-in signon sla slas smb smtp snapshot snmp soa soc sophos
sourceanchor spam splunk spn spns spo sql ssd ssh ssl sso sspr stacktrace staging startup stdout storage subdomain
subnet subscription subtree suffix surname svc swap sync synced syncing syncs synchronisation synchronise synchronised
synchronization synchronize synchronized sysadmin sysinternals syslog sysprep sysvol taskmgr tcp telnet template
templates tenancy tenant tenants tenantid terminal test-netconnection thumbprint thunderbird timeout timeouts
timestamp tls token tokens tombstone tombstoned toolchain topology tpm trace tracert transcript trello trojan
troubleshoot troubleshooting tunnel ubuntu udp ui unassigned uncheck unchecked unix unlicensed unresponsive untick
unticked uninstall uninstalled unsync unsynced upn upns uptime uri url urls usb useraccount utc uuid vault vbs vdi
veeam veto vlan vlans vm vms vmware volumes vpn vps vscode vswitch waf wan webapp webhook webmail websocket websockets
whitelist whitelisted wifi win32 win10 win11 windows wireshark wmi word wordpress workday workflow workload workspace
workstation workstations writeback wsus wwan www xaml xml yaml yammer zendesk zip zscaler apac emea latam e.g i.e a.m
p.m a.s.a.p f.y.i cant couldnt didnt doesnt dont hasnt havent isnt shouldnt werent wouldnt im ive id youre theyre weve
ill youve theyve itd thatll whos wheres hows lets aint gonna wanna gotta dunno lol omg btw asap imo imho afaik afaict
idk thx tx ty pls plz plus tia wtf hmm hm uh um er eh huh ugh argh yay mr mrs ms dr prof sr jr herr frau monsieur
madame alot aswell atm rn tho thru tmrw ppl bc cuz coz w/o mins min hrs hr sec secs wk wks yr yrs mon tue tues wed thu
thur thurs fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec am pm gmt cet bst est pst
"""

COMMON_WORDS = frozenset(stem(word) for text in (_ENGLISH, _OFFICE) for word in text.split())
