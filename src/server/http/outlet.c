#include "server/http/outlet.h"

#include <libwebsockets.h>

outlet *outlet_hold(outlet *o)
{
    atomic_fetch_add(&o->refs, 1);
    return o;
}

void outlet_release(outlet *o)
{
    if (o && atomic_fetch_sub(&o->refs, 1) == 1)
        o->destroy(o);
}

void outlet_mark(outlets *list, outlet *o)
{
    pthread_mutex_lock(&list->lock);
    bool first = !list->first;
    if (!o->marked) {
        o->marked = true;
        o->next = NULL;
        if (list->last)
            list->last->next = outlet_hold(o);
        else
            list->first = outlet_hold(o);
        list->last = o;
    }
    pthread_mutex_unlock(&list->lock);
    if (first)
        lws_cancel_service(list->context);
}

static outlet *take(outlets *list)
{
    pthread_mutex_lock(&list->lock);
    outlet *o = list->first;
    if (o) {
        list->first = o->next;
        if (!list->first)
            list->last = NULL;
        o->marked = false;
    }
    pthread_mutex_unlock(&list->lock);
    return o;
}

void outlets_flush(outlets *list)
{
    for (outlet *o; (o = take(list));) {
        if (o->wsi)
            lws_callback_on_writable(o->wsi);
        outlet_release(o);
    }
}

void outlets_clear(outlets *list)
{
    for (outlet *o; (o = take(list));)
        outlet_release(o);
}
