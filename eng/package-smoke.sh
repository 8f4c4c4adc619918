#!/usr/bin/env bash
# Packs the libraries and uses the packages as their users do. An application outside this repository references the
# library and TorchSharp-cpu, and is built and published in every way that places TorchSharp's native files differently.
# Then it uses SkiaSharp 4 in place of ML.NET's SkiaSharp 2.88, and only the libtorch of its platform. Finally it
# uses the ONNX package, without libtorch.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
library=src/CondDiffusion.MLNet

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The packages have a version of their own and go into a package folder of their own, in front of the machine's, so that
# no stale copy can take their place.
version=$(dotnet msbuild $library -getProperty:Version)-smoke.$(date +%s)
torchsharp=$(dotnet msbuild $library -getProperty:TorchSharpVersion)
packages=$(dotnet nuget locals global-packages --list | sed 's/^[^:]*: *//')
for project in $library $library.Onnx; do
    dotnet pack $project -c Release -o "$work/feed" -p:PackageVersion="$version" -v quiet
done

mkdir "$work/app"
cd "$work/app"
cp "$repository/global.json" .
cat > NuGet.config <<END
<configuration>
  <config><add key="globalPackagesFolder" value="$work/packages" /></config>
  <fallbackPackageFolders><add key="machine" value="$packages" /></fallbackPackageFolders>
  <packageSources><add key="smoke" value="$work/feed" /></packageSources>
</configuration>
END
cat > app.csproj <<END
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    <!-- libtorch is about 500 MB per platform: links in place of copies, where the file system can. -->
    <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
    <CreateHardLinksForPublishFilesIfPossible>true</CreateHardLinksForPublishFilesIfPossible>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="CondDiffusion.MLNet" Version="$version" />
    <PackageReference Include="TorchSharp-cpu" Version="$torchsharp" />
  </ItemGroup>
</Project>
END
echo 'System.Console.WriteLine(TorchSharp.torch.ones(2).sum().item<float>());' > Program.cs

# check WHAT COMMAND...: the command puts the application into ./out, where it must run and print 2.
check() {
    local what=$1
    shift
    rm -rf obj bin out
    "$@" -c Release -o out -v quiet --nologo
    local printed
    printed=$(cd / && "$work/app/out/app")
    if [ "$printed" != 2 ]; then
        echo "package smoke: $what: printed '$printed', not 2" >&2
        exit 1
    fi
    echo "package smoke: $what: ok"
}

check 'build, portable' dotnet build
check 'build, one platform' dotnet build --use-current-runtime
check 'publish, portable' dotnet publish
check 'publish, self-contained' dotnet publish --use-current-runtime --self-contained
check 'publish, single file' dotnet publish --use-current-runtime --no-self-contained -p:PublishSingleFile=true

# ML.NET's internals, which the library uses, may be others in another major version.
grep -qF 'id="Microsoft.ML" version="[5.0.1, 6.0.0)"' "$work/packages/conddiffusion.mlnet/$version"/*.nuspec \
    || { echo 'package smoke: the package does not bound the version of Microsoft.ML' >&2; exit 1; }

# Beside SkiaSharp 3 and later, MLImage.Pixels and ML.NET's ExtractPixels fail (machinelearning issue 7413).
libtorch=$(basename "$packages"/libtorch-cpu-linux-x64/*)
sed -i "s|<PackageReference Include=\"TorchSharp-cpu\".*|<PackageReference Include=\"libtorch-cpu-linux-x64\" Version=\"$libtorch\" />\
    <PackageReference Include=\"SkiaSharp\" Version=\"4.155.0\" />\
    <PackageReference Include=\"SkiaSharp.NativeAssets.Linux.NoDependencies\" Version=\"4.155.0\" />|" app.csproj
cat > Program.cs <<'END'
using CondDiffusion.MLNet;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

var skia = typeof(SkiaSharp.SKBitmap).Assembly.GetName().Version!.Major;
if (skia != 4) throw new InvalidOperationException($"SkiaSharp {skia} was loaded.");

// Black and white images, labelled 1 and 2.
var ml = new MLContext(seed: 1);
var rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, 4).Select(i => new Row { Label = (uint)i % 2, Image = Plain(i) }));
var options = new ConditionalDiffusionTrainer.Options
{
    Height = 8, Width = 8, ChannelWidths = [32, 32], EmbeddingSize = 4, Timesteps = 4, Epochs = 1,
};
var pixels = ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8).Normalize(rows).GetColumn<float[]>("Pixels").ToArray();
if (pixels[0][0] != -1 || pixels[1][0] != 1) throw new InvalidOperationException("The pixels are wrong.");

using var model = ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8)
    .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options))
    .Fit(rows);
var images = model.Transform(ml.Data.LoadFromEnumerable([new Label { Key = 0 }, new Label { Key = 1 }]))
    .GetColumn<MLImage>("GeneratedImage").ToArray();
ImageGrid.Save(images, 2, Path.Combine(Path.GetTempPath(), Path.GetRandomFileName(), "grid.png"));
using var decoded = MLImage.CreateFromStream(new MemoryStream(Plain(1).ToPng()));
if (decoded.GetBGRPixels.Any(level => level != 255)) throw new InvalidOperationException("The PNG is wrong.");
ml.Model.Save(model, rows.Schema, Path.Combine(AppContext.BaseDirectory, "../../model.zip"));
Console.WriteLine(images.Length);

static MLImage Plain(int i) => MLImage.CreateFromPixels(
    4, 4, MLPixelFormat.Bgra32, Enumerable.Range(0, 64).Select(b => (byte)(b % 4 == 3 || i % 2 == 1 ? 255 : 0)).ToArray());

internal sealed class Row
{
    [KeyType(2)] public uint Label { get; set; }
    [ImageType(4, 4)] public MLImage Image { get; set; } = null!;
}

internal sealed class Label
{
    [KeyType(2), ColumnName("Label")] public uint Key { get; set; }
}
END
sed -i 's|<OutputType>|<ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable><OutputType>|' app.csproj
check 'build, SkiaSharp 4, libtorch of one platform' dotnet build

# The ONNX package converts that model and generates with it. Its only reference takes the place of the others.
sed -i -e '/libtorch-cpu/d' -e 's|"CondDiffusion.MLNet"|"CondDiffusion.MLNet.Onnx"|' app.csproj
cat > Program.cs <<'END'
using CondDiffusion.MLNet;
using Microsoft.ML;

var directory = Path.Combine(AppContext.BaseDirectory, "../..");
var path = Path.Combine(directory, "model.onnx");
new MLContext().ImageGeneration.ConvertToOnnx(Path.Combine(directory, "model.zip"), path);
using var generator = OnnxImageGenerator.Load(path);
Console.WriteLine(generator.Generate(["1", "2"]).Count);
END
check 'build, ONNX without libtorch' dotnet build
if find out -name 'libtorch*' | grep .; then
    echo 'package smoke: the ONNX package brings libtorch' >&2
    exit 1
fi

# It uses the library's internals, so it needs the version that it was built with.
grep -qF "id=\"CondDiffusion.MLNet\" version=\"[$version]\"" \
    "$work/packages/conddiffusion.mlnet.onnx/$version"/*.nuspec \
    || { echo 'package smoke: the ONNX package does not need an exact version of the library' >&2; exit 1; }
