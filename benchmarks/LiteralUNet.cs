using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// The PyTorch-style baseline: the same network as one would first write it, in stock modules, float32 and the default
/// layout, with a time encoding computed row by row.
/// </summary>
internal sealed class LiteralUNet : Module<Tensor, Tensor, Tensor, Tensor>
{
    private const int EmbeddingSize = 100;
    private const int Labels = 10;

    private readonly LiteralBlock _down1 = new(1, 64);
    private readonly LiteralBlock _down2 = new(64, 128);
    private readonly LiteralBlock _bot1 = new(128, 256);
    private readonly LiteralBlock _up2 = new(384, 128);
    private readonly LiteralBlock _up1 = new(192, 64);
    private readonly Conv2d _out = Conv2d(64, 1, 1);
    private readonly MaxPool2d _maxpool = MaxPool2d(2);
    private readonly Upsample _upsample =
        Upsample(scale_factor: [2, 2], mode: UpsampleMode.Bilinear, align_corners: false);

    private readonly Embedding _labelEmb = Embedding(Labels, EmbeddingSize);

    public LiteralUNet()
        : base(nameof(LiteralUNet)) => RegisterComponents();

    public override Tensor forward(Tensor x, Tensor timesteps, Tensor labels)
    {
        var v = PositionalEncoding(timesteps) + _labelEmb.forward(labels);

        var x1 = _down1.forward(x, v);
        x = _maxpool.forward(x1);
        var x2 = _down2.forward(x, v);
        x = _maxpool.forward(x2);
        x = _bot1.forward(x, v);

        x = _upsample.forward(x);
        x = cat([x, x2], 1);
        x = _up2.forward(x, v);
        x = _upsample.forward(x);
        x = cat([x, x1], 1);
        x = _up1.forward(x, v);
        return _out.forward(x);
    }

    private static Tensor PositionalEncoding(Tensor timesteps)
    {
        var v = zeros(timesteps.shape[0], EmbeddingSize);
        for (var row = 0; row < timesteps.shape[0]; row++)
        {
            var t = timesteps[row];
            var i = arange(0, EmbeddingSize, 2, ScalarType.Float32);
            var divisor = pow(10000f, i / EmbeddingSize);
            v[row, TensorIndex.Slice(0, null, 2)] = sin(t / divisor);
            v[row, TensorIndex.Slice(1, null, 2)] = cos(t / divisor);
        }
        return v;
    }

    private sealed class LiteralBlock : Module<Tensor, Tensor, Tensor>
    {
        private readonly Sequential _convs;
        private readonly Sequential _mlp;

        public LiteralBlock(int input, int output)
            : base(nameof(LiteralBlock))
        {
            _convs = Sequential(
                Conv2d(input, output, 3, padding: 1),
                BatchNorm2d(output),
                ReLU(),
                Conv2d(output, output, 3, padding: 1),
                BatchNorm2d(output),
                ReLU());
            _mlp = Sequential(Linear(EmbeddingSize, input), ReLU(), Linear(input, input));
            RegisterComponents();
        }

        public override Tensor forward(Tensor x, Tensor v)
        {
            var embedding = _mlp.forward(v).view(x.shape[0], x.shape[1], 1, 1);
            return _convs.forward(x + embedding);
        }
    }
}
