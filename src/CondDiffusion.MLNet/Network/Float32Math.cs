using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// Computes float32 on NVIDIA GPUs in float32, not in TF32, which has 10 bits of precision and is cuDNN's default. The
/// settings are the process's: they are switched off while the library computes, and restored after that (untested on
/// GPUs).
/// </summary>
internal readonly struct Float32Math : IDisposable
{
    private static readonly Lock Lock = new();
    private static int _users; // of all GPUs: the last of them restores what the first found
    private static bool _convolutions;
    private static bool _products;

    private readonly bool _isUser;

    private Float32Math(Device device)
    {
        if (device.type != DeviceType.CUDA) return;

        _isUser = true;
        lock (Lock)
        {
            if (_users++ > 0) return;

            _convolutions = backends.cudnn.allow_tf32;
            _products = backends.cuda.matmul.allow_tf32;
            backends.cudnn.allow_tf32 = false;
            backends.cuda.matmul.allow_tf32 = false;
        }
    }

    /// <summary>Switches TF32 off until the result is disposed, if the device is a GPU.</summary>
    public static Float32Math Exact(Device device) => new(device);

    public void Dispose()
    {
        if (!_isUser) return;

        lock (Lock)
        {
            if (--_users > 0) return;

            backends.cudnn.allow_tf32 = _convolutions;
            backends.cuda.matmul.allow_tf32 = _products;
        }
    }
}
