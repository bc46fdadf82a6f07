"""Exhaustive SC exploration of wake_one/woke/announce (src/sched/{runtime,sleep,worker}.rs).
N workers, M OS-thread spawners that each spawn one, K I/O events (each wakes a given worker).
Lost: everybody is done or waits in the kernel with no event due, and work is left."""
import sys
from collections import deque
def explore(nw, ns, io, fixed):
    # state: work, waking, sleep[nw], event[nw], wpc[nw], s[(pc,i)], ioleft
    init=(0,0,(0,)*nw,(0,)*nw,('look',)*nw,(('push',0),)*ns,io)
    seen={init:None}; q=deque([init])
    def rep(t,i,v): return t[:i]+(v,)+t[i+1:]
    while q:
        st=q.popleft()
        work,waking,sleep,event,wpc,s,iol=st
        nxt=[]
        for i in range(nw):
            pc=wpc[i]
            def W(lbl,work=work,waking=waking,sleep=sleep,event=event,pc2=None):
                nxt.append((f'W{i}: {lbl}',(work,waking,sleep,event,rep(wpc,i,pc2),s,iol)))
            if pc=='look': W('look: take all',work=0,pc2='ann')
            elif pc=='ann': W('announce ASLEEP',sleep=rep(sleep,i,1),pc2='chk')
            elif pc=='chk': W(f'check has_fresh={bool(work)}',pc2='end' if work else 'wait')
            elif pc=='wait':
                if event[i]: W('epoll returns',event=rep(event,i,0),pc2='end')
            elif pc=='end': W('end AWAKE',sleep=rep(sleep,i,0),pc2='woke1')
            elif pc=='woke1': W(f'woke: waking={waking}',pc2='woke2' if waking else 'look')
            elif pc=='woke2': W('woke: waking=false',waking=0,pc2='look')
        for j in range(ns):
            pc,k=s[j]
            def S(lbl,pc2,k2=0,work=work,waking=waking,sleep=sleep,event=event):
                nxt.append((f'S{j}: {lbl}',(work,waking,sleep,event,wpc,rep(s,j,(pc2,k2)),iol)))
            def nextw(k): return ('scan',k+1) if not fixed else ('ld',0)
            if pc=='push': S('push',work=work+1,pc2='ld')
            elif pc=='ld': S(f'load waking={waking}','done' if waking else 'scan')
            elif pc=='scan':
                if k>=nw: S('nobody sleeps','done')
                elif sleep[k]: S(f'is_asleep(W{k})','swap',k)
                else: S(f'W{k} awake','scan',k+1)
            elif pc=='swap':
                if waking: S('swap waking: was true','done')
                else: S('swap waking=true','cas',k,waking=1)
            elif pc=='cas':
                if sleep[k]: S(f'claim W{k}','ev',k,sleep=rep(sleep,k,0))
                else: S(f'claim W{k} fails','clr',k)
            elif pc=='ev': S(f'eventfd W{k}','done',event=rep(event,k,1))
            elif pc=='clr':
                p,kk=nextw(k); S('waking=false',p,kk,waking=0)
        for i in range(nw):
            if iol and not event[i]:
                nxt.append((f'I/O for W{i}',(work,waking,sleep,rep(event,i,1),wpc,s,iol-1)))
        stuck = all(pc=='wait' and not event[i] for i,pc in enumerate(wpc)) and all(p=='done' for p,_ in s)
        if stuck and (work or waking):
            tr=[];x=st
            while seen[x]: l,p=seen[x]; tr.append(l); x=p
            return len(seen),('LOST' if work else 'WAKING STUCK'),tr[::-1]
        for l,n in nxt:
            if n not in seen: seen[n]=(l,st); q.append(n)
    return len(seen),'holds',[]
for fixed in (False,True):
    for nw,ns,io in ((1,2,1),(2,2,1),(2,3,2),(3,2,2)):
        n,r,tr=explore(nw,ns,io,fixed)
        print('fixed' if fixed else 'as is',f'workers={nw} spawners={ns} io={io}: {r} ({n} states)')
        if tr and (nw,ns)==(1,2): print('   '+'\n   '.join(tr))
