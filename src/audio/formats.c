#include "audio/formats.h"

#include "audio/ffmpeg.h"

#include <pthread.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* libavformat's names of demuxers; where one has several ("mov,mp4,m4a,3gp,3g2,mj2"), one of them. */
static const char formats[] =
    "wav,w64,aiff,au,caf,voc,ircam,nistsphere,sox,avr," /* PCM with a header */
    "flac,wv,tta,ape,tak,shn,mpc,mpc8,dsf,iff,"         /* music, lossless and lossy */
    "mp3,aac,loas,ogg,asf,ac3,eac3,dts,dtshd,truehd,mlp,"
    "mov,matroska,avi,flv,live_flv,mpeg,mpegts,nut,mxf,gxf,dv,rm,wtv,obu," /* containers, also of video */
    "amr,amrnb,amrwb,gsm,g722,g726,g726le,g729,g723_1,ilbc,codec2,sln,sbc,qcp,dss,act,aea,oma";

/* PCM of all kinds (up to AV_CODEC_ID_ADPCM_IMA_QT) is allowed besides these. */
static const enum AVCodecID codecs[] = {
    AV_CODEC_ID_ADPCM_IMA_QT,
    AV_CODEC_ID_ADPCM_IMA_WAV,
    AV_CODEC_ID_ADPCM_MS,
    AV_CODEC_ID_ADPCM_SWF,
    AV_CODEC_ID_ADPCM_YAMAHA,
    AV_CODEC_ID_ADPCM_IMA_OKI,
    AV_CODEC_ID_ADPCM_G722,
    AV_CODEC_ID_ADPCM_G726,
    AV_CODEC_ID_ADPCM_G726LE,
    AV_CODEC_ID_ADPCM_SBPRO_2,
    AV_CODEC_ID_ADPCM_SBPRO_3,
    AV_CODEC_ID_ADPCM_SBPRO_4,
    AV_CODEC_ID_AMR_NB,
    AV_CODEC_ID_AMR_WB,
    AV_CODEC_ID_RA_144,
    AV_CODEC_ID_RA_288,
    AV_CODEC_ID_MP1,
    AV_CODEC_ID_MP2,
    AV_CODEC_ID_MP3,
    AV_CODEC_ID_AAC,
    AV_CODEC_ID_AAC_LATM,
    AV_CODEC_ID_AC3,
    AV_CODEC_ID_EAC3,
    AV_CODEC_ID_DTS,
    AV_CODEC_ID_VORBIS,
    AV_CODEC_ID_OPUS,
    AV_CODEC_ID_SPEEX,
    AV_CODEC_ID_DVAUDIO,
    AV_CODEC_ID_WMAV1,
    AV_CODEC_ID_WMAV2,
    AV_CODEC_ID_WMAVOICE,
    AV_CODEC_ID_WMAPRO,
    AV_CODEC_ID_WMALOSSLESS,
    AV_CODEC_ID_MACE3,
    AV_CODEC_ID_MACE6,
    AV_CODEC_ID_FLAC,
    AV_CODEC_ID_ALAC,
    AV_CODEC_ID_WAVPACK,
    AV_CODEC_ID_TTA,
    AV_CODEC_ID_APE,
    AV_CODEC_ID_TAK,
    AV_CODEC_ID_SHORTEN,
    AV_CODEC_ID_MUSEPACK7,
    AV_CODEC_ID_MUSEPACK8,
    AV_CODEC_ID_MP4ALS,
    AV_CODEC_ID_GSM,
    AV_CODEC_ID_GSM_MS,
    AV_CODEC_ID_QDM2,
    AV_CODEC_ID_COOK,
    AV_CODEC_ID_SIPR,
    AV_CODEC_ID_RALF,
    AV_CODEC_ID_TRUESPEECH,
    AV_CODEC_ID_QCELP,
    AV_CODEC_ID_EVRC,
    AV_CODEC_ID_NELLYMOSER,
    AV_CODEC_ID_ATRAC1,
    AV_CODEC_ID_ATRAC3,
    AV_CODEC_ID_ATRAC3P,
    AV_CODEC_ID_MLP,
    AV_CODEC_ID_TRUEHD,
    AV_CODEC_ID_G723_1,
    AV_CODEC_ID_G729,
    AV_CODEC_ID_ILBC,
    AV_CODEC_ID_CODEC2,
    AV_CODEC_ID_DSS_SP,
    AV_CODEC_ID_SBC,
    AV_CODEC_ID_DSD_LSBF,
    AV_CODEC_ID_DSD_MSBF,
    AV_CODEC_ID_DSD_LSBF_PLANAR,
    AV_CODEC_ID_DSD_MSBF_PLANAR,
    AV_CODEC_ID_8SVX_EXP,
    AV_CODEC_ID_8SVX_FIB,
};

static pthread_once_t listed = PTHREAD_ONCE_INIT;
static char codec_list[8192]; /* about 1,500 bytes are used */

bool audio_format_is_known(const AVInputFormat *format)
{
    return ffmpeg.av_match_list(format->name, formats, ',') > 0;
}

bool audio_codec_is_known(enum AVCodecID id)
{
    if (id >= AV_CODEC_ID_FIRST_AUDIO && id < AV_CODEC_ID_ADPCM_IMA_QT)
        return true;
    for (size_t i = 0; i < COUNT(codecs); i++)
        if (codecs[i] == id)
            return true;
    return false;
}

/* The names of all decoders of those codecs: "mp3float" and "mp3" are two for one codec. */
static void make_codec_list(void)
{
    AVBPrint text;
    const AVCodec *codec;
    void *at = NULL;
    ffmpeg.av_bprint_init_for_buffer(&text, codec_list, sizeof codec_list);
    while ((codec = ffmpeg.av_codec_iterate(&at)))
        if (ffmpeg.av_codec_is_decoder(codec) && audio_codec_is_known(codec->id))
            ffmpeg.av_bprintf(&text, "%s%s", text.len ? "," : "", codec->name);
}

const char *audio_format_list(void)
{
    return formats;
}

const char *audio_codec_list(void)
{
    pthread_once(&listed, make_codec_list);
    return codec_list;
}
