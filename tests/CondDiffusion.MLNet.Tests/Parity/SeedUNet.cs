using System.Text.Json;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Parity;

/// <summary>
/// Golden values of the PyTorch reference implementation, and the formula for the weights that they were computed with.
/// </summary>
internal sealed class SeedUNet : IDisposable
{
    private readonly JsonDocument _json =
        JsonDocument.Parse(typeof(SeedUNet).Assembly.GetManifestResourceStream("seed_unet.json")!);

    public static UNetShape Shape { get; } = new(1, 32, 32, Labels: 10, EmbeddingSize: 100, [64, 128, 256]);

    public static Tensor Timesteps => tensor([1L, 500L]);

    public static Tensor Labels => tensor([3L, 8L]);

    public static Tensor NoLabels => full([2], LabelRow.None, ScalarType.Int64);

    private JsonElement Case => _json.RootElement.GetProperty("case");

    public IReadOnlyList<(string Name, long[] Shape)> StateDict =>
    [
        .. Case.GetProperty("state_dict").EnumerateArray()
            .Select(entry => (entry[0].GetString()!, entry[1].Deserialize<long[]>()!)),
    ];

    public float[] this[string key] => Case.GetProperty(key).Deserialize<float[]>()!;

    public IReadOnlyDictionary<string, T> Table<T>(string key) =>
        Case.GetProperty(key).Deserialize<Dictionary<string, T>>()!;

    public double Number(string key) => Case.GetProperty(key).GetDouble();

    /// <summary>Creates the network with the golden weights.</summary>
    public static ConditionalUNet CreateNetwork()
    {
        var k = 0;
        return ConditionalUNet.Create(Shape, CPU, entry => Fill(entry, k++));
    }

    /// <summary>Returns sin(0.7 i + 1.3 k + 0.001 i k), which stands for anything random.</summary>
    public static Tensor Wave(int k, params long[] shape)
    {
        var length = (int)shape.Aggregate(1L, (product, size) => product * size);
        var values = Enumerable.Range(0, length).Select(i => (float)Math.Sin(0.7 * i + 1.3 * k + 0.001 * i * k));
        return tensor([.. values], shape);
    }

    private static Tensor Fill(TensorEntry entry, int k)
    {
        var wave = Wave(k, entry.Shape);
        return entry.Name switch
        {
            var name when name.EndsWith("running_var", StringComparison.Ordinal) => 1 + 0.2 * wave * wave,
            var name when name.EndsWith("running_mean", StringComparison.Ordinal) => 0.1 * wave,
            "label_emb.weight" => wave,
            var name when name.EndsWith("bias", StringComparison.Ordinal) => 0.1 * wave,
            _ when entry.Shape.Length == 4 => wave * Math.Sqrt(2.0 / entry.FanIn),
            _ when entry.Shape.Length == 2 => wave / Math.Sqrt(entry.FanIn),
            _ => 1 + 0.1 * wave,
        };
    }

    public void Dispose() => _json.Dispose();
}
